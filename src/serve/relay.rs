//! A process's line to its supervisor.
//!
//! A thread of its own reads it, so that a process whose event loops are all busy still hears. Whoever has something
//! to say writes at once: messages are short, and the supervisor always reads.
//!
//! - [`hearing`]: what is done with what the supervisor says.

mod hearing;

use std::io;
use std::mem::take;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use skitai_actors::db::{Budgets, Said};
use skitai_actors::spec::Shard;
use skitai_wire::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::hearing::{AtOnce, hear};
use super::acting::Acting;
use super::drain::Drain;
use super::guesses::{self, GUESSES, PROXY_GUESSES, VIEWER_GUESSES};
use super::learnt::Predecessor;
use super::listen::Listener;
use super::renewal;
use super::siblings::{self, ThroughSupervisor};
use super::site::OpenSite;
use crate::config::{Declared, Loaded, ServerSettings};
use crate::ipc::messages::{ConnectionCount, Descriptor, FromProcess, Hello, Question, TREE, VERSION};
use crate::ipc::recorder::Recorder;
use crate::ipc::{Line, LineError};
use crate::observe::log;
use crate::observe::log_files::LogFiles;
use crate::tls::files::{HandedFiles, unpacked};
use crate::tls::tickets::Tickets;

/// How long the supervisor may take to send the first message, and to take ours.
const PATIENCE: Duration = Duration::from_secs(10);

/// The line to the supervisor, for who has something to say.
#[derive(Clone, Debug)]
pub(crate) struct Relay(Arc<Mutex<Option<Line>>>);

/// What the supervisor wants, as far as the event loop does it.
#[derive(Debug)]
pub(crate) enum Order {
    Drain {
        is_replaced: bool,
    },
    End,
    /// Log files are new, and these are theirs.
    Reopen(Vec<(Descriptor, OwnedFd)>),
    /// Another process asks.
    Question(Question),
    /// Certificates are new, and these are their files.
    TakeUp(HandedFiles),
}

/// What a process was given at its start.
#[derive(Debug)]
pub(crate) struct Inheritance {
    pub(crate) hello: Hello,
    pub(crate) descriptors: Vec<(Descriptor, OwnedFd)>,
    pub(crate) relay: Relay,
    /// How many connections to databases this process may hold, if the supervisor says it.
    pub(crate) budgets: Option<Arc<Budgets>>,
    /// The questions of this process to the others.
    open: Arc<siblings::OpenQuestions>,
    /// What operators say and do.
    pub(crate) acting: Arc<Acting>,
    /// Where this process says what it does.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// The keys of tickets, which the supervisor changes.
    pub(crate) tickets: Arc<Tickets>,
    /// When that was.
    came: Instant,
    line: Line,
}

/// Why a process has no supervisor.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSupervisor {
    #[error("this command is for the processes of an instance, which its supervisor starts; use `run` or `start`: {0}")]
    Line(#[from] LineError),
    #[error("the supervisor speaks version {0}, and this program {VERSION}")]
    Version(u32),
    #[error("the supervisor has sent {came} descriptors, and named {named}")]
    Descriptors { came: usize, named: usize },
}

impl Inheritance {
    /// Takes what the supervisor hands down, from the standard input.
    pub(crate) fn take() -> Result<Inheritance, NoSupervisor> {
        let failed = |error: io::Error| NoSupervisor::Line(error.into());
        let mut line = Line::on_stdin().map_err(failed)?;
        line.set_patience(Some(PATIENCE)).map_err(failed)?;
        let mut hello: Hello = line.wait()?;
        let came = Instant::now();
        // Until this process listens to its supervisor: its start may take a minute, in which it has the sockets.
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        if getppid().map(|parent| parent.as_raw_pid()) != i32::try_from(hello.supervisor).ok() {
            return Err(LineError::Ended.into());
        }
        if hello.levels.is_some() {
            log::set_levels(hello.levels.as_deref());
        }
        if hello.version != VERSION {
            return Err(NoSupervisor::Version(hello.version));
        }
        let mut descriptors = named(&mut line, hello.descriptors.clone())?;
        let recorder = descriptors.extract_if(.., |(what, _)| *what == Descriptor::Recorder).next();
        let recorder = recorder.map(|(_, file)| Arc::new(Recorder::new(file, hello.announces)));
        let writer = line.socket().try_clone().map_err(failed)?;
        // The app of this process must not read what the supervisor says.
        let null = std::fs::File::open("/dev/null").map_err(failed)?;
        rustix::stdio::dup2_stdin(null).map_err(|error| failed(error.into()))?;
        let relay = Relay(Arc::new(Mutex::new(Some(Line::from(writer)))));
        let budgets = hello.grants_connections.then(|| relay.budgets());
        let tickets = Tickets::of(hello.ticket_secrets.clone());
        let open = Arc::<siblings::OpenQuestions>::default();
        let siblings = Arc::new(ThroughSupervisor { relay: relay.clone(), open: open.clone() });
        let acting = Acting::of_instance(siblings, take(&mut hello.member_words), take(&mut hello.audit));
        let acting = Arc::new(acting);
        Ok(Inheritance { hello, descriptors, relay, budgets, tickets, open, acting, recorder, came, line })
    }

    /// What the process whose place this one takes has learnt.
    pub(crate) fn predecessor(&mut self) -> Predecessor {
        Predecessor::new(self.hello.is_reload, take(&mut self.hello.learnt), self.came)
    }

    /// The way to the other processes.
    pub(crate) fn siblings(&self) -> Arc<ThroughSupervisor> {
        Arc::new(ThroughSupervisor { relay: self.relay.clone(), open: self.open.clone() })
    }

    /// The listening sockets, which were opened by the supervisor.
    pub(crate) fn listeners(&mut self) -> io::Result<Vec<Listener>> {
        let (sockets, rest) =
            take(&mut self.descriptors).into_iter().partition(|(what, _)| matches!(what, Descriptor::Socket(_)));
        self.descriptors = rest;
        let sockets: Vec<_> = sockets;
        sockets.into_iter().map(|(_, descriptor)| Listener::from_fd(descriptor)).collect()
    }

    /// The files of certificates that the supervisor has read.
    pub(crate) fn tls_files(&mut self) -> HandedFiles {
        let (files, rest) = tls_files(take(&mut self.descriptors));
        self.descriptors = rest;
        files
    }

    /// Passes on the log files, which were opened by the supervisor.
    pub(crate) fn hand_logs(&mut self, files: &LogFiles) {
        for (what, descriptor) in take(&mut self.descriptors) {
            if let Descriptor::Log(path) = what {
                files.take(path, descriptor);
            }
        }
    }

    /// Obeys the supervisor from now on. If it is gone, nobody would replace this process or end it: it drains.
    pub(crate) fn obey(self, drain: Drain, site: &OpenSite) -> io::Result<Relay> {
        let (process, admin, viewer) = (site.process.clone(), site.site.admin.clone(), site.site.viewer.clone());
        if let Some(admin) = &admin {
            guesses::tell(GUESSES, admin, self.siblings());
        }
        if let Some(viewer) = &viewer {
            guesses::tell(VIEWER_GUESSES, viewer, self.siblings());
        }
        let proxy = process.forward.as_ref().and_then(|forward| forward.login.clone());
        if let Some(proxy) = &proxy {
            guesses::tell(PROXY_GUESSES, proxy, self.siblings());
        }
        let (relay, mut orders) = self.listen()?;
        // From now on the line says it.
        let _ = set_parent_process_death_signal(None);
        let of_answers = relay.clone();
        actix_rt::spawn(async move {
            loop {
                match orders.recv().await {
                    Some(Order::Drain { is_replaced }) => {
                        tracing::info!("leaving: requests under way may finish");
                        if is_replaced { drain.begin_replaced() } else { drain.begin() }
                    }
                    Some(Order::End) => drain.at_once(),
                    Some(Order::Reopen(handed)) => process.reopen_logs(handed),
                    Some(Order::Question(question)) if question.topic == GUESSES => {
                        admin.iter().for_each(|admin| guesses::heard(&question, admin));
                    }
                    Some(Order::Question(question)) if question.topic == VIEWER_GUESSES => {
                        viewer.iter().for_each(|viewer| guesses::heard(&question, viewer));
                    }
                    Some(Order::Question(question)) if question.topic == PROXY_GUESSES => {
                        proxy.iter().for_each(|proxy| guesses::heard(&question, proxy));
                    }
                    Some(Order::Question(question)) if question.topic == TREE => {
                        let answer = siblings::answer_tree(question, process.status.clone(), of_answers.clone());
                        drop(actix_rt::spawn(answer));
                    }
                    Some(Order::Question(question)) => {
                        let answer = siblings::answer(question, process.status.clone(), of_answers.clone());
                        drop(actix_rt::spawn(answer));
                    }
                    Some(Order::TakeUp(files)) => {
                        if let Some(certificates) = process.certificates.clone() {
                            renewal::handed(certificates, files);
                        }
                    }
                    None => {
                        tracing::warn!("the supervisor is gone: requests under way may finish, then this process ends");
                        return drain.begin_orphaned();
                    }
                }
            }
        });
        Ok(relay)
    }

    /// Begins to listen to the supervisor, on a thread of its own. The channel ends when the supervisor has.
    fn listen(self) -> io::Result<(Relay, UnboundedReceiver<Order>)> {
        let Inheritance { relay, mut line, budgets, tickets, open, acting, recorder, .. } = self;
        let at_once = AtOnce { budgets, tickets, open, acting, recorder };
        line.socket().set_read_timeout(None)?;
        let (sender, receiver) = unbounded_channel();
        std::thread::Builder::new().name("relay".to_owned()).spawn(move || {
            if let Err(error) = hear(&mut line, &sender, &at_once)
                && !matches!(error, LineError::Ended)
            {
                tracing::error!("the line to the supervisor is broken: {error}");
            }
        })?;
        Ok((relay, receiver))
    }
}

/// The files of certificates among descriptors, and the rest.
fn tls_files(named: Vec<(Descriptor, OwnedFd)>) -> (HandedFiles, Vec<(Descriptor, OwnedFd)>) {
    let (mut files, mut rest) = (Vec::new(), Vec::new());
    for (what, descriptor) in named {
        match what {
            Descriptor::TlsFiles(lengths) => files.extend(unpacked(lengths, descriptor)),
            other => rest.push((other, descriptor)),
        }
    }
    (files, rest)
}

/// The descriptors that a message names.
fn named(line: &mut Line, names: Vec<Descriptor>) -> Result<Vec<(Descriptor, OwnedFd)>, NoSupervisor> {
    let came = line.take_descriptors(names.len());
    if came.len() != names.len() {
        return Err(NoSupervisor::Descriptors { came: came.len(), named: names.len() });
    }
    Ok(names.into_iter().zip(came).collect())
}

impl Relay {
    /// Budgets that are told to the supervisor.
    fn budgets(&self) -> Arc<Budgets> {
        let relay = self.clone();
        Budgets::new(move |(cluster, member), said| {
            let some = |count| {
                let (cluster, member) = (cluster.to_string(), member.to_string());
                vec![ConnectionCount { cluster, member, count, of_instance: 0 }]
            };
            relay.say(&match said {
                Said::Returned(count) => FromProcess::Returns { connections: some(count) },
                Said::Wanted => FromProcess::Lacks { connections: some(0) },
            });
        })
    }

    /// Tells the supervisor how many connections to databases a configuration gives this process.
    pub(crate) fn needs(&self, loaded: &Loaded) {
        let ServerSettings { threads, processes, .. } = &loaded.settings.server;
        let mut connections = Vec::new();
        for declared in &loaded.settings.clusters {
            let Declared::Db(spec) = declared else { continue };
            let of_servers = spec.members.iter().filter(|member| matches!(member.shard, Shard::Postgres { .. }));
            connections.extend(of_servers.map(|member| ConnectionCount {
                cluster: spec.name.to_string(),
                member: member.node.to_string(),
                count: spec.connections * threads,
                of_instance: spec.connections * threads * processes,
            }));
        }
        self.say(&FromProcess::Needs { connections });
    }

    /// Tells the supervisor something. If it has ended, or did not read for so long that a message was cut, it is told
    /// no more: what follows would make no sense to it.
    pub(crate) fn say(&self, message: &FromProcess) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Err(error)) = line.as_mut().map(|line| line.say(message)) {
            tracing::warn!("the supervisor could not be told: {error}; it is told no more");
            *line = None;
        }
    }

    /// Tells the supervisor what this process has counted.
    pub(super) fn counted(&self, number: u64, counters: &Value, is_last: bool) {
        match serde_json::to_string(counters) {
            Ok(counters) => self.say(&FromProcess::Counted { number, counters, is_last }),
            Err(error) => tracing::error!("what is counted cannot be told: {error}"),
        }
    }

    /// Whether the supervisor was there the last time.
    pub(crate) fn is_heard(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
