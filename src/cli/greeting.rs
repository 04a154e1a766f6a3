//! What a site says on the console when it serves.

use super::program::print;
use crate::config::Loaded;
use crate::serve::keys::Keys;
use crate::serve::listen::BoundAddress;

/// Prints the addresses of the site and the pages to open; in the background, where it goes into a log that others may
/// read, without the password.
pub(super) fn greet(
    loaded: &Loaded,
    keys: &Keys,
    hints: &[String],
    addresses: &[BoundAddress],
    is_in_background: bool,
) {
    let server = &loaded.settings.server;
    // Pages are opened at the first port, if there is one: a browser does not open a Unix socket.
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let listening = &server.listening;
    let is_own = |address: &&BoundAddress| {
        let redirects = listening.redirect.is_some() && address.port() == listening.redirect;
        !redirects && !address.is_one_of(&listening.proxy) && !address.is_one_of(&listening.admin.addresses)
    };
    let base = addresses.iter().filter(is_own).find_map(|address| base(scheme, address)).unwrap_or_default();
    let mut shown: Vec<String> = addresses.iter().filter(is_own).map(|address| shown(scheme, address)).collect();
    shown.sort_by_key(|shown| !shown.starts_with("http"));
    let mode = if server.devel { ", devel mode" } else { "" };
    let threads = match server.processes {
        1 => counted(server.threads),
        processes => format!("{processes} processes of {}", counted(server.threads)),
    };
    print(&format!("{} serves {} with {threads}{mode}", server.name, shown.join(", ")));
    for address in addresses.iter().filter(|address| address.is_one_of(&listening.proxy)) {
        print(&format!("  forward proxy at {}", self::shown("http", address)));
    }
    let is_clear = server.tls.is_none() || server.admin.tls == Some(false);
    let admin_scheme = if is_clear { "http" } else { "https" };
    let of_admin = || addresses.iter().filter(|address| address.is_one_of(&listening.admin.addresses));
    for address in of_admin() {
        print(&format!("  status pages at {}", self::shown(admin_scheme, address)));
    }
    for hint in hints {
        print(&format!("  {base}{hint}"));
    }
    if let (Some(password), Some(file)) = (&keys.admin_password, &keys.password_file) {
        let apart = of_admin().find_map(|address| self::base(admin_scheme, address));
        let base = if server.admin.is_moved { apart.unwrap_or_default() } else { base };
        print(&match is_in_background {
            true => format!("  {base}/status   user admin, password in {}", file.display()),
            false => format!("  {base}/status   user admin, password {} (kept in {})", password.0, file.display()),
        });
    }
    if !is_in_background {
        print("Ctrl-C stops it.");
    }
}

fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

/// The URL of a port, without a path.
fn base(scheme: &str, address: &BoundAddress) -> Option<String> {
    match address {
        BoundAddress::Tcp(address) if address.ip().is_unspecified() => {
            Some(format!("{scheme}://127.0.0.1:{}", address.port()))
        }
        BoundAddress::Tcp(address) => Some(format!("{scheme}://{address}")),
        BoundAddress::Unix(_) => None,
    }
}

fn shown(scheme: &str, address: &BoundAddress) -> String {
    match (address, base(scheme, address)) {
        (BoundAddress::Tcp(address), Some(base)) if address.ip().is_unspecified() => {
            format!("{base}/ (on all interfaces)")
        }
        (BoundAddress::Tcp(_), base) => format!("{}/", base.unwrap_or_default()),
        (BoundAddress::Unix(path), _) => format!("unix:{}", path.display()),
    }
}
