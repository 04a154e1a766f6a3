//! A thread of the process, and the site it serves: in devel mode a changed configuration replaces the site.

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::dev::AppConfig;
use actix_web::http::StatusCode;

use skitai_wire::http1::HeadBounds;

use super::crowd::{Attendance, CrowdLimit, REFUSAL, STRANGER, TurnedAtOnce};
use super::own::AdminSite;
use super::site::OpenSite;
use super::watch::Watch;
use super::{actors, entry};
use crate::app::services::Services;
use crate::app::site::Site;
use crate::connection::{ConnectionBounds, ConnectionTimeouts, Incoming, Outgoing, Peer, Refused, Service};
use crate::edge::actix_fallback::ActixFallback;
use crate::edge::files::Folders;
use crate::edge::gate::Gates;
use crate::edge::moves::Moves;
use crate::edge::probes::Probes;
use crate::edge::refused;
use crate::edge::thread::ServingThread;
use crate::forward::{Forward, ProxyRefusal};
use crate::observe::access::AccessLog;
use crate::observe::counts::TurnedAway;
use crate::observe::log::one_line;
use crate::observe::panics::Panicked;
use crate::observe::seldom::Seldom;
use crate::tls::certificates::Certificates;
use crate::tls::client::TlsClient;

/// Connections of each process to the address of the server's own pages: some operators with some browsers, and what
/// scrapes the figures.
const ADMIN_CONNECTIONS: usize = 32;
/// Clients whom the forward proxy does not know.
static STRANGERS: Seldom = Seldom::new(5);
/// Handshakes that failed.
static HANDSHAKES: Seldom = Seldom::new(20);

/// Starts the serving state of the current thread, with its actors. `config` has the address of the server.
pub(crate) fn start(open: &OpenSite, number: usize, config: AppConfig) -> Rc<ServingThread> {
    let log = open.site.server.access_log.as_deref().and_then(|path| {
        let log = open.process.access_log(number, path);
        log.map_err(|error| tracing::error!("access log {}: {error}; requests are not logged", path.display())).ok()
    });
    let of_site = ServedSite { site: &open.site, gates: &open.gates, moves: &open.moves };
    Rc::new(of_site.thread(open, number, (actors::start(open, number), log), config))
}

/// What a thread serves: the site, or the server's own pages on an address of their own.
struct ServedSite<'o> {
    site: &'o Arc<Site>,
    gates: &'o Arc<Gates>,
    moves: &'o Arc<Moves>,
}

impl ServedSite<'_> {
    fn thread(
        &self,
        open: &OpenSite,
        number: usize,
        (services, log): (Arc<Services>, Option<Arc<AccessLog>>),
        config: AppConfig,
    ) -> ServingThread {
        let (site, server, process) = (self.site, &self.site.server, &open.process);
        ServingThread {
            site: site.clone(),
            services,
            gates: self.gates.clone(),
            moves: self.moves.clone(),
            bodies: process.bodies.clone(),
            shelf: process.shelf.clone(),
            folders: site.router.mounts().iter().map(|mount| Folders::of(mount, server)).collect(),
            own_files: Folders::none(server),
            log,
            counts: process.counts(number).clone(),
            routes: process.routes_of(number, &site.router),
            hold: process.hold(number).clone(),
            actix: ActixFallback::new(config, process.lifecycle.closing()),
            probes: Probes::new(process.lifecycle.clone(), process.reporters.clone()),
            requests: Default::default(),
        }
    }
}

/// The same thread for the server's own pages, where they have an address of their own: with the same actors.
fn beside(open: &OpenSite, thread: &ServingThread, number: usize, config: AppConfig) -> Option<Rc<ServingThread>> {
    let AdminSite { site, gates, moves } = open.admin_site.as_ref()?;
    let with = (thread.services.at(site), thread.log.clone());
    Some(Rc::new(ServedSite { site, gates, moves }.thread(open, number, with, config)))
}

/// The replaceable serving state of a thread.
pub(crate) struct ThreadSlot {
    number: usize,
    now: RefCell<Now>,
    watch: Option<Arc<Watch>>,
    config: AppConfig,
}

/// The current serving state, and the site it belongs to.
struct Now {
    open: Arc<OpenSite>,
    thread: Rc<ServingThread>,
    /// The server's own pages, where they have an address of their own.
    admin: Option<Rc<ServingThread>>,
}

impl Now {
    fn begin(open: Arc<OpenSite>, number: usize, config: AppConfig) -> Now {
        let thread = start(&open, number, config.clone());
        let admin = beside(&open, &thread, number, config);
        Now { open, thread, admin }
    }
}

impl ThreadSlot {
    pub(crate) fn new(
        open: Arc<OpenSite>,
        number: usize,
        watch: Option<Arc<Watch>>,
        config: AppConfig,
    ) -> Rc<ThreadSlot> {
        let now = Now::begin(open, number, config.clone());
        Rc::new(ThreadSlot { number, now: RefCell::new(now), watch, config })
    }

    fn thread(&self) -> Rc<ServingThread> {
        self.now.borrow().thread.clone()
    }

    /// The state for the next request, or the reason why there is none.
    fn current(&self) -> Result<Rc<ServingThread>, Arc<str>> {
        let Some(watch) = &self.watch else { return Ok(self.thread()) };
        let now = self.now.borrow().open.clone();
        match watch.look(&now) {
            Some(Err(why)) => Err(why),
            Some(Ok(open)) if !Arc::ptr_eq(&open, &now) => {
                // The new actors report in place of the old ones; those end with the requests that still use them.
                open.process.reporters.withdraw(self.number);
                let now = Now::begin(open, self.number, self.config.clone());
                let thread = now.thread.clone();
                *self.now.borrow_mut() = now;
                Ok(thread)
            }
            _ => Ok(self.thread()),
        }
    }

    /// Lets a connection to the site in, unless there are too many.
    pub(super) fn enter(&self, peer: Option<Peer>) -> Result<Option<Attendance>, TurnedAtOnce> {
        let now = self.now.borrow();
        now.open.process.crowd.enter(&now.thread.site.server, peer).map_err(|limit| {
            now.thread.counts.turned_away(match limit {
                CrowdLimit::All => TurnedAway::Full,
                CrowdLimit::OfAddress => TurnedAway::OfAddress,
            });
            TurnedAtOnce(REFUSAL)
        })
    }

    /// The same to the address of the server's own pages, which has a bound of its own: a site that is full can be
    /// looked at.
    pub(super) fn enter_admin(&self) -> Result<Option<Attendance>, TurnedAtOnce> {
        let now = self.now.borrow();
        let entered =
            now.open.process.admin_crowd.enter_within((Some(ADMIN_CONNECTIONS), None), None, 1, " of [admin]");
        entered.map_err(|_| {
            now.thread.counts.turned_away(TurnedAway::Full);
            TurnedAtOnce(REFUSAL)
        })
    }

    /// Answers a request for the server's own pages on their own address.
    pub(super) async fn call_admin(
        &self,
        mut request: Incoming,
        peer: Option<Peer>,
        tls: Option<Arc<TlsClient>>,
    ) -> Outgoing {
        // A changed configuration that has mistakes does not hinder a look.
        let _current = self.current();
        let admin = self.now.borrow().admin.clone();
        match admin {
            Some(thread) => entry::serve(&thread, &mut request, peer, tls).await.into(),
            None => HttpResponse::new(StatusCode::NOT_FOUND).into(),
        }
    }

    /// The same to the forward proxy, which has clients and limits of its own.
    pub(super) fn enter_forward(&self, peer: Option<Peer>) -> Result<Option<Attendance>, TurnedAtOnce> {
        let now = self.now.borrow();
        let process = &now.open.process;
        let Some(forward) = process.forward.as_ref() else { return Err(TurnedAtOnce(STRANGER)) };
        if !forward.admits(peer) {
            forward.turned_away(ProxyRefusal::Client);
            if let Some(tail) = STRANGERS.tail(Instant::now()) {
                let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
                tracing::info!(peer, "forward proxy: 403 `allow` does not have this client{tail}");
            }
            return Err(TurnedAtOnce(STRANGER));
        }
        let settings = &forward.settings;
        let limits = (settings.max_connections, settings.max_connections_per_address);
        let address = peer.and_then(Peer::address).map(|address| address.ip());
        let processes = now.thread.site.server.processes;
        let entered = process.forward_crowd.enter_within(limits, address, processes, " of [proxy]");
        entered.map_err(|_| {
            forward.turned_away(ProxyRefusal::Full);
            TurnedAtOnce(REFUSAL)
        })
    }

    /// The forward proxy, and the log of this thread.
    pub(super) fn forward(&self) -> Option<(Arc<Forward>, Option<Arc<AccessLog>>)> {
        let now = self.now.borrow();
        Some((now.open.process.forward.clone()?, now.thread.log.clone()))
    }

    /// The current serving state, whatever has become of the configuration, and the certificates of the process.
    pub(super) fn thread_and_certificates(&self) -> (Rc<ServingThread>, Option<Arc<Certificates>>) {
        let now = self.now.borrow();
        (now.thread.clone(), now.open.process.certificates.clone())
    }

    /// Records a connection that ended by a panic that was caught nowhere else.
    pub(crate) fn broken(&self, peer: Option<Peer>, panicked: &Panicked) {
        self.thread().counts.panic();
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
        tracing::error!(peer, "a connection was cut: {panicked}");
    }
}

/// Answers the connections of a thread with its current serving state.
impl Service for Rc<ThreadSlot> {
    fn settings(&self) -> ConnectionTimeouts {
        let now = self.now.borrow();
        let server = &now.thread.site.server;
        ConnectionTimeouts {
            head_timeout: server.head_timeout,
            keep_alive: server.keep_alive,
            body_timeout: server.body_timeout,
            send_timeout: server.send_timeout,
            drain_idle: server.drain_idle,
        }
    }

    fn bounds(&self) -> ConnectionBounds {
        let limits = self.now.borrow().thread.site.server.limits;
        ConnectionBounds {
            head: HeadBounds { head: limits.max_head, target: limits.max_target, fields: limits.max_headers },
            requests: limits.max_requests,
        }
    }

    fn call(
        &self,
        mut request: Incoming,
        peer: Option<Peer>,
        tls: Option<&Arc<TlsClient>>,
    ) -> impl Future<Output = Outgoing> {
        let (current, tls) = (self.current(), tls.cloned());
        async move {
            let response = match current {
                Ok(thread) => entry::serve(&thread, &mut request, peer, tls).await,
                Err(why) => entry::unfit(&why, &request, peer, &self.thread().site.server.trusted_proxies),
            };
            response.into()
        }
    }

    fn refuse(&self, refused: &Refused<'_>) -> Outgoing {
        refused::reply(&self.thread(), refused).into()
    }

    fn greeting_failed(&self, peer: Option<Peer>, why: &io::Error) {
        self.thread().counts.turned_away(TurnedAway::Handshake);
        // Any client can cause it, so it raises no alarm, and fills no disk.
        if let Some(tail) = HANDSHAKES.tail(Instant::now()) {
            let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
            tracing::info!(peer, "a TLS handshake failed: {}{tail}", one_line(&why.to_string()));
        }
    }

    fn cut(&self, head: &[u8], why: &(dyn Error + 'static)) {
        if why.is::<Panicked>() {
            self.thread().counts.panic();
        }
        let (_, uri) = refused::words(head, usize::MAX);
        tracing::error!(uri, "the reply was cut: {}", one_line(&why.to_string()));
    }
}
