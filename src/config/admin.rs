//! The section `[admin]`: where the server's own pages are, and where it is written what operators have done.

use std::net::IpAddr;
use std::path::PathBuf;

use super::ini::Section;
use super::keys;
use super::listening::{AdminSockets, ListenAddress, listed_in, owner_of};
use super::reading::{Reading, find};
use super::report::Problem;
use super::settings::ServerSettings;

/// The name of the audit log, where the configuration names no file.
pub const AUDIT_LOG: &str = "audit.log";
/// The name of the section.
const SECTION: &str = "admin";

/// `[admin]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminSettings {
    /// Whether the server's own pages are where `listen` of the section says, and no longer on the site's ports.
    pub is_moved: bool,
    /// Whether its ports speak TLS; `None` for what the site does.
    pub tls: Option<bool>,
    /// The audit log; `None` for `audit.log` in the folder `var`.
    pub audit_log: Option<PathBuf>,
}

/// Reads the section. Where it listens is added to what is listened on.
pub(super) fn into_server(reading: &mut Reading<'_>, sections: &[&Section], server: &mut ServerSettings) {
    let section = sections.iter().copied().find(|section| section.name == SECTION);
    if let Some(section) = section {
        reading.check_keys(section, keys::ADMIN_SECTION);
    }
    let mut taken = server.listening.addresses.clone();
    let before = taken.len();
    let listen = find(section, &keys::ADMIN_LISTEN).filter(|value| !value.text.is_empty());
    if let Some(value) = listen {
        listed_in(reading, value, &mut taken);
    }
    let listen = taken[before..].to_vec();
    let (public, public_value) = reading.flag(section, &keys::ADMIN_PUBLIC);
    let tls_value = find(section, &keys::ADMIN_TLS).filter(|value| !value.text.is_empty());
    let tls = reading.named(&keys::ADMIN_TLS, tls_value, &[("yes", true), ("no", false)], "expected `yes` or `no`");
    for value in [public_value, tls_value].into_iter().flatten().filter(|_| listen.is_empty()) {
        let problem = Problem::warning(value.span(), "it is about `listen` of [admin], which names nothing");
        reading.push(problem.label("has no effect"));
    }
    if let Some(value) = tls_value.filter(|_| tls == Some(true) && server.tls.is_none()) {
        reading.push(
            Problem::error(value.span(), "`tls = yes` of [admin] where the site has no certificate")
                .label("with which one?")
                .help("write `ssl = yes` and a section [certification], or leave the line out"),
        );
    }
    let is_clear = server.tls.is_none() || tls == Some(false);
    for (value, address) in find(section, &keys::ADMIN_LISTEN).into_iter().flat_map(|value| {
        listen.iter().filter(|address| is_clear && !is_private(address)).map(move |address| (value, address))
    }) {
        reading.push(
            Problem::warning(value.span(), format!("[admin] listens at {address}, in clear text"))
                .label("a password would be read by whoever listens on the way")
                .help("listen on 127.0.0.1 or a Unix socket, or let the site speak TLS (`ssl = yes`)"),
        );
    }
    let beside_access_log = || Some(server.access_log.as_ref()?.parent()?.join(AUDIT_LOG));
    server.admin = AdminSettings {
        is_moved: !listen.is_empty() && !public,
        tls,
        audit_log: reading.file(section, &keys::AUDIT_LOG_KEY).or_else(beside_access_log),
    };
    server.listening.addresses = taken;
    server.listening.admin = AdminSockets {
        addresses: listen,
        mode: reading.mode(section, &keys::ADMIN_LISTEN_MODE).unwrap_or(AdminSockets::MODE),
        owner: owner_of(reading, section, &keys::ADMIN_LISTEN_OWNER),
    };
}

/// Whether nobody listens on the way to it: a Unix socket, or an address of this machine.
fn is_private(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp { ip, .. } => ip.as_ref().is_some_and(IpAddr::is_loopback),
        ListenAddress::Unix(_) => true,
    }
}
