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

use std::cell::RefCell;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use actix_web::dev::AppConfig;

use super::site::{self, Site};
use super::worker::Worker;
use crate::config::{self, Loaded, Server};
use crate::connection::{Incoming, Outgoing, Refused, Service, Settings};
use crate::edge::{pipeline, refused};
use crate::observe::log::one_line;
use crate::observe::panics::Panicked;

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
    now: Option<Result<Arc<Site>, Arc<str>>>,
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
    fn look(&self, current: &Arc<Site>) -> Option<Result<Arc<Site>, Arc<str>>> {
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
                Ok(site) if site.restart_needed().is_empty() => {
                    tracing::info!("{} has changed and is taken up", self.path.display());
                }
                Ok(site) => tracing::warn!(
                    "{} has changed and is taken up, but for {}: restart for that",
                    self.path.display(),
                    site.restart_needed().join(", ")
                ),
                Err(why) => tracing::error!("{} has changed and cannot be taken up:\n{why}", self.path.display()),
            }
            seen.now = Some(next);
        }
        seen.now.clone()
    }

    fn read(&self, last: &Arc<Site>) -> Result<Arc<Site>, Arc<str>> {
        let mut loaded = config::load(&self.path).map_err(|report| Arc::from(report.to_string()))?;
        if let Some(port) = self.port {
            loaded.settings.server.port = port;
        }
        let templates = site::templates_of(&loaded);
        last.reopened(&loaded, templates.as_deref()).map_err(|unfit| Arc::from(unfit.to_string()))
    }
}

/// The keys of `[server]` that are of the process. They are put back to what the process began with; the names of those
/// that differ are given.
pub(super) fn keep_of_process(server: &mut Server, began: &Server) -> Vec<String> {
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

/// A worker thread's place: who serves there now.
pub(crate) struct Seat {
    number: usize,
    now: RefCell<Rc<Worker>>,
    watch: Option<Arc<Watch>>,
    config: AppConfig,
}

impl Seat {
    pub(crate) fn take(site: Arc<Site>, number: usize, watch: Option<Arc<Watch>>, config: AppConfig) -> Rc<Seat> {
        Rc::new(Seat { number, now: RefCell::new(Worker::start(site, number, config.clone())), watch, config })
    }

    /// The worker that serves, or why none can.
    pub(crate) fn worker(&self) -> Result<Rc<Worker>, Arc<str>> {
        let now = self.now.borrow().clone();
        match self.watch.as_ref().and_then(|watch| watch.look(&now.site)) {
            Some(Err(why)) => Err(why),
            Some(Ok(site)) if !Arc::ptr_eq(&site, &now.site) => {
                // Its actors report in place of the old ones; those end with the requests that still use them.
                site.reporters.withdraw(self.number);
                let worker = Worker::start(site, self.number, self.config.clone());
                *self.now.borrow_mut() = worker.clone();
                Ok(worker)
            }
            _ => Ok(now),
        }
    }
}

/// Who answers the connections of a thread: whoever serves there at that moment.
impl Service for Rc<Seat> {
    fn settings(&self) -> Settings {
        let now = self.now.borrow();
        let server = &now.site.settings.server;
        Settings {
            head_timeout: server.head_timeout,
            keep_alive: server.keep_alive,
            body_timeout: server.body_timeout,
            send_timeout: server.send_timeout,
        }
    }

    fn call(&self, mut request: Incoming) -> impl Future<Output = Outgoing> {
        let worker = self.worker();
        async move {
            let response = match worker {
                Ok(worker) => pipeline::serve(&worker, &mut request).await,
                Err(why) => pipeline::unfit(&why, &request),
            };
            response.into()
        }
    }

    fn refuse(&self, refused: &Refused<'_>) -> Outgoing {
        refused::reply(&self.now.borrow(), refused).into()
    }

    fn cut(&self, head: &[u8], why: &(dyn Error + 'static)) {
        if why.is::<Panicked>() {
            self.now.borrow().counts.panic();
        }
        let (_, uri) = refused::words(head, usize::MAX);
        tracing::error!(uri, "the reply was cut: {}", one_line(&why.to_string()));
    }
}

impl Seat {
    /// A connection ended by a panic that nobody else had caught.
    pub(crate) fn broken(&self, peer: Option<SocketAddr>, panicked: &Panicked) {
        self.now.borrow().counts.panic();
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
        tracing::error!(peer, "a connection was cut: {panicked}");
    }
}
