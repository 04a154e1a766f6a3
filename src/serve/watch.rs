//! In devel mode a changed configuration is taken up at the next request.
//!
//! Every request looks at the conf's time and length; where they differ from those of the last look, the file is read
//! and a new [`Site`] takes the place of the old one: mounts, clusters, databases and limits are those of the file.
//! What was opened for the whole process stays: the apps and their objects, results, counters, and every cluster and
//! database whose section did not change, with what is known of its members' health. Requests under way end on the site
//! they began on.
//!
//! Some keys are of the process and not of the site: a socket is bound once, threads are started once. A change of
//! those is told in the log, in the header `X-Restart-Needed` and on the page of an error, and waits for a restart. A
//! conf with mistakes is told to every request until it is mended: an old site that goes on would hide that nothing is
//! taken up.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::mounting;
use super::site::OpenSite;
use crate::config;
use crate::config::{Loaded, ServerSettings};

/// The conf of a site in devel mode.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    /// From the command line, whatever the conf says.
    port: Option<u16>,
    seen: Mutex<Seen>,
}

/// When a file was changed, and its length; nothing where it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    /// The site of the file as it was looked at last, or what is wrong with it; nothing before the first change.
    now: Option<Result<Arc<OpenSite>, Arc<str>>>,
}

impl Watch {
    /// A watch on the conf that was loaded, if it is a file and says devel mode.
    pub(crate) fn of(loaded: &Loaded, port: Option<u16>) -> Option<Arc<Watch>> {
        let path = loaded.file.clone().filter(|_| loaded.settings.server.devel)?;
        let seen = Mutex::new(Seen { stamp: loaded.stamp, now: None });
        Some(Arc::new(Watch { path, port, seen }))
    }

    /// The site that is to serve from now on; `None` while the file is as it was at the start. `current` is the
    /// asker's.
    pub(super) fn look(&self, current: &Arc<OpenSite>) -> Option<Result<Arc<OpenSite>, Arc<str>>> {
        // Held while the file is read: whoever asks meanwhile waits for the same.
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
            loaded.settings.server.port = port;
        }
        let templates = mounting::templates_of(&loaded);
        last.reopened(&loaded, templates.as_deref()).map_err(|unfit| Arc::from(unfit.to_string()))
    }
}

/// The keys of `[server]` that are of the process. They are put back to what the process began with; the names of those
/// that differ are given.
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
    keep!(ip, port, threads, processes, name, securekey, admin_password, devel, num_result_cache_max, access_log);
    keep!(introspection, previous_securekeys);
    if server.uploads.folder != began.uploads.folder {
        changed.push("upload_folder".to_owned());
        server.uploads.folder.clone_from(&began.uploads.folder);
    }
    changed
}
