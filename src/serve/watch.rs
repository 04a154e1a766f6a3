//! In devel mode a changed configuration takes effect at the next request.
//!
//! Every request checks the conf's modification time and length. If they differ from the last check, the file is read
//! and a new [`OpenSite`] replaces the old one, with the file's mounts, clusters, databases and limits. State of the
//! whole process stays: the apps and their objects, cached results, counters, and every cluster and database whose
//! section did not change, with the health of its members. Requests in flight end on the site they began on.
//!
//! Some keys belong to the process and not to the site: a socket is bound once, threads are started once. A change of
//! such a key is reported in the log, in the header `X-Restart-Needed` and on error pages, and takes effect at a
//! restart. While the conf has errors, every request gets them as its answer: an old site that went on would hide that
//! the change had no effect.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::mounting;
use super::site::OpenSite;
use crate::config;
use crate::config::{Certification, ListenAddress, ListenSettings, Loaded, ServerSettings, TlsSettings};

/// Watches the conf of a site in devel mode.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    /// The port from the command line, which overrides the conf.
    port: Option<u16>,
    seen: Mutex<Seen>,
}

/// Modification time and length of a file; `None` if they cannot be read.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// The site of the last version of the file, or its errors; `None` before the first change.
    now: Option<Result<Arc<OpenSite>, Arc<str>>>,
}

impl Watch {
    /// Makes a watch, if the loaded conf is a file and sets devel mode.
    pub(crate) fn of(loaded: &Loaded, port: Option<u16>) -> Option<Arc<Watch>> {
        let path = loaded.file.clone().filter(|_| loaded.settings.server.devel)?;
        let seen = Mutex::new(Seen { stamp: loaded.stamp, now: None });
        Some(Arc::new(Watch { path, port, seen }))
    }

    /// The site that must serve from now on; `None` while the file is unchanged since the start. `current` is the site
    /// that the calling thread serves.
    pub(super) fn look(&self, current: &Arc<OpenSite>) -> Option<Result<Arc<OpenSite>, Arc<str>>> {
        // Locked while the file is read, so that other threads wait for the same result.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = config::stamp(&self.path);
        if stamp != seen.stamp {
            seen.stamp = stamp;
            let last = match &seen.now {
                Some(Ok(site)) => site,
                _ => current,
            };
            let next = self.read(last);
            match &next {
                Ok(site) if site.site.restart_needed.is_empty() => {
                    tracing::info!("{} has changed and is taken up", self.path.display());
                }
                Ok(site) => tracing::warn!(
                    "{} has changed and is taken up, but for {}: restart for that",
                    self.path.display(),
                    site.site.restart_needed.join(", ")
                ),
                Err(why) => tracing::error!("{} has changed and cannot be taken up:\n{why}", self.path.display()),
            }
            seen.now = Some(next);
        }
        seen.now.clone()
    }

    fn read(&self, last: &Arc<OpenSite>) -> Result<Arc<OpenSite>, Arc<str>> {
        let mut loaded = config::load(&self.path).map_err(|report| Arc::from(report.to_string()))?;
        if let Some(port) = self.port {
            loaded.settings.server.listening.set_port(port);
        }
        let templates = mounting::templates_of(&loaded);
        last.reopened(&loaded, templates.as_deref()).map_err(|unfit| Arc::from(unfit.to_string()))
    }
}

/// Resets the keys of `[server]` that belong to the process to their values at the start. Returns the names of those
/// that had changed.
pub(super) fn keep_of_process(server: &mut ServerSettings, began: &ServerSettings) -> Vec<String> {
    let mut changed = Vec::new();
    macro_rules! keep {
        ($($key:ident),+) => {
            $(if server.$key != began.$key {
                changed.push(stringify!($key).to_owned());
                server.$key.clone_from(&began.$key);
            })+
        };
    }
    keep!(
        threads,
        processes,
        name,
        securekey,
        admin_password,
        viewer_password,
        devel,
        num_result_cache_max,
        access_log
    );
    keep!(introspection, metrics, trace_ring, previous_securekeys, umask);
    keep_listening(server, began, &mut changed);
    keep!(drain_delay, drain_idle, drain_timeout, supervise, user, group, start_timeout);
    changed.extend(changes_of_tls(server.tls.as_ref(), began.tls.as_ref()).into_iter().map(str::to_owned));
    server.tls.clone_from(&began.tls);
    if server.proxy != began.proxy {
        changed.push("[proxy]".to_owned());
        server.proxy.clone_from(&began.proxy);
    }
    if server.admin != began.admin {
        changed.push("[admin]".to_owned());
        server.admin.clone_from(&began.admin);
    }
    if server.otlp != began.otlp {
        changed.push("[otlp]".to_owned());
        server.otlp.clone_from(&began.otlp);
    }
    if server.uploads.folder != began.uploads.folder {
        changed.push("upload_folder".to_owned());
        server.uploads.folder.clone_from(&began.uploads.folder);
    }
    changed
}

/// The keys of TLS that say something else than at the start.
fn changes_of_tls(now: Option<&TlsSettings>, began: Option<&TlsSettings>) -> Vec<&'static str> {
    let (now, began) = match (now, began) {
        (Some(now), Some(began)) => (now, began),
        (None, None) => return Vec::new(),
        _ => return vec!["ssl"],
    };
    let differ = |is_same: fn(&Certification, &Certification) -> bool| {
        now.certifications.iter().zip(&began.certifications).any(|(now, began)| !is_same(now, began))
    };
    let names = |of: &TlsSettings| of.certifications.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    [
        // A section more or less, or under another name.
        ("certification", names(now) != names(began)),
        ("certfile", differ(|now, began| now.certfile == began.certfile)),
        ("keyfile", differ(|now, began| now.keyfile == began.keyfile)),
        ("cafile", differ(|now, began| now.cafile == began.cafile)),
        ("passphrase", differ(|now, began| now.passphrase == began.passphrase)),
        ("client_ca", now.client_ca != began.client_ca),
        ("client_certificates", now.client_certificates != began.client_certificates),
    ]
    .into_iter()
    .filter_map(|(key, has_changed)| has_changed.then_some(key))
    .collect()
}

/// The same for where the site listens, by the names of the keys.
fn keep_listening(server: &mut ServerSettings, began: &ServerSettings, changed: &mut Vec<String>) {
    let (now, then) = (&server.listening, &began.listening);
    // What the conf says of it has no effect.
    if then.is_given {
        return server.listening.clone_from(then);
    }
    let (ip, port) =
        (|of: &ListenSettings| of.tcp().map(|(ip, _)| ip), |of: &ListenSettings| of.tcp().map(|(_, port)| port));
    let keys = [
        ("ip", ip(now) != ip(then)),
        ("port", port(now) != port(then)),
        ("redirect_http", now.redirect != then.redirect),
        ("listen_mode", now.mode != then.mode),
        ("listen_owner", now.owner != then.owner),
    ];
    let named = keys.iter().filter(|(_, has_changed)| *has_changed).map(|(key, _)| (*key).to_owned());
    let before = changed.len();
    changed.extend(named);
    // The port of `redirect_http` is one of them.
    let own = |of: &ListenSettings| {
        let redirects =
            |address: &ListenAddress| matches!(address, ListenAddress::Tcp { port, .. } if Some(*port) == of.redirect);
        of.addresses.iter().filter(|address| !redirects(address)).cloned().collect::<Vec<_>>()
    };
    if (changed.len() == before && now != then) || (now.redirect != then.redirect && own(now) != own(then)) {
        changed.push("listen".to_owned());
    }
    server.listening.clone_from(&began.listening);
}
