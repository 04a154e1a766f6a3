//! What operators say of members, and do to the instance, in this process: it takes up what its supervisor tells, and
//! asks it for what an operator wants. Without a supervisor it does by itself what can be done so.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use skitai_actors::balance::Health;
use skitai_actors::balance::operator::{OperatorWord, OperatorWords, SetAside};
use skitai_actors::cluster::Roster;
use skitai_actors::kit::tasks;
use skitai_wire::Value;

use super::siblings::ThroughSupervisor;
use crate::app::acting::InstanceControl;
use crate::app::closing::Lifecycle;
use crate::ipc::acts::{Deed, MemberDeed, MemberWord, OperatorAct};
use crate::ipc::messages::{FromProcess, LogLevels, RESTART, Wish};
use crate::observe::audit::{AuditEntry, AuditLog, AuditTail, Operator};
use crate::observe::log;
use crate::observe::plain_file::{self, LogKind};

/// How long the supervisor may take to say what became of an act: it may read and judge a configuration for it.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// The operators' part of a process.
pub(crate) struct Acting {
    way: ActingWay,
    words: Mutex<Vec<MemberWord>>,
    rosters: Mutex<Vec<Weak<Roster>>>,
    databases: Mutex<Vec<(Arc<str>, Weak<Health>)>>,
    audit: Mutex<AuditLog>,
}

impl std::fmt::Debug for Acting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acting").field("words", &lock(&self.words)).finish_non_exhaustive()
    }
}

/// Who does what an operator wants.
enum ActingWay {
    Supervisor(Arc<ThroughSupervisor>),
    Alone {
        site: String,
        lifecycle: Arc<Lifecycle>,
        /// The number of the levels of the log that hold, so that older ones do not end them.
        levels: Arc<AtomicU64>,
    },
}

impl Acting {
    /// In a process of an instance, with what is said of members and the newest entries of the audit log.
    pub(super) fn of_instance(
        siblings: Arc<ThroughSupervisor>,
        words: Vec<MemberWord>,
        audit: Vec<AuditEntry>,
    ) -> Self {
        Acting::new(ActingWay::Supervisor(siblings), words, AuditLog::resumed(Path::new(""), AuditTail::of(audit)))
    }

    /// Without a supervisor.
    pub(super) fn alone(site: String, audit_log: &Path, lifecycle: Arc<Lifecycle>) -> Self {
        Acting::new(
            ActingWay::Alone { site, lifecycle, levels: Arc::default() },
            Vec::new(),
            AuditLog::at(audit_log, |path| plain_file::read(path, true)),
        )
    }

    fn new(way: ActingWay, words: Vec<MemberWord>, audit: AuditLog) -> Acting {
        let (words, audit) = (Mutex::new(words), Mutex::new(audit));
        Acting { way, words, rosters: Mutex::default(), databases: Mutex::default(), audit }
    }

    /// What is said of members holds for this cluster, too.
    pub(super) fn follow_cluster(&self, roster: &Arc<Roster>) {
        // Held for as long as it takes, so that no word comes between the two.
        let words = lock(&self.words);
        roster.lineup().health().obey(&of_cluster(&words, &roster.spec().name), None);
        let mut rosters = lock(&self.rosters);
        rosters.retain(|known| known.strong_count() > 0);
        rosters.push(Arc::downgrade(roster));
    }

    /// The same of a cluster of databases.
    pub(super) fn follow_databases(&self, name: &Arc<str>, health: &Arc<Health>) {
        let words = lock(&self.words);
        health.obey(&of_cluster(&words, name), None);
        let mut databases = lock(&self.databases);
        databases.retain(|(_, known)| known.strong_count() > 0);
        databases.push((name.clone(), Arc::downgrade(health)));
    }

    /// Takes up all that is said of members. `restored`: the one that is to take part again.
    pub(super) fn heard(&self, new: Vec<MemberWord>, restored: Option<&MemberDeed>) {
        let mut words = lock(&self.words);
        *words = new;
        let restored_of = |name: &str| restored.filter(|deed| deed.cluster == name).map(|deed| &*deed.member);
        for roster in lock(&self.rosters).iter().filter_map(Weak::upgrade) {
            let name = &roster.spec().name;
            roster.lineup().health().obey(&of_cluster(&words, name), restored_of(name));
        }
        for (name, health) in &*lock(&self.databases) {
            if let Some(health) = health.upgrade() {
                health.obey(&of_cluster(&words, name), restored_of(name));
            }
        }
    }

    /// The supervisor has written an entry down.
    pub(super) fn audited(&self, entry: AuditEntry) {
        lock(&self.audit).tail.add(entry);
    }

    /// The newest entries of the audit log, for the status.
    pub(super) fn audit_tree(&self) -> Value {
        lock(&self.audit).tail.tree()
    }

    /// Lets the audit log go, which may have been renamed.
    pub(super) fn reopen_audit(&self) {
        lock(&self.audit).reopen();
    }

    fn note(&self, entry: AuditEntry) {
        lock(&self.audit).note(entry, |path| {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            open(path)
        });
    }

    /// Does it in this process, if that can be.
    fn carry_out(&self, act: &OperatorAct, lifecycle: &Lifecycle, levels: &Arc<AtomicU64>) -> Result<String, String> {
        match &act.deed {
            Deed::Drain(deed) => Ok(self.keep_out(deed, SetAside::Drained, &act.operator)),
            Deed::Eject(deed) => Ok(self.keep_out(deed, SetAside::Ejected, &act.operator)),
            Deed::Restore(deed) => {
                let words = lock(&self.words).iter().filter(|word| !is_of(word, deed)).cloned().collect();
                self.heard(words, Some(deed));
                Ok(format!("{} takes part again", deed.on()))
            }
            Deed::Log(wanted) => set_levels(wanted, levels),
            Deed::Reload => {
                Err("this process has no supervisor, which alone can take up a changed configuration without \
                                 a pause: restart the site, or write `supervise = yes` in [server]"
                    .to_owned())
            }
            Deed::Restart if lifecycle.wish(Wish::Restart) => {
                Ok(format!("it drains, then it ends with exit code {}, for who started it to start it anew", RESTART))
            }
            Deed::Shutdown if lifecycle.wish(Wish::Shutdown) => Ok("it drains, then it ends".to_owned()),
            Deed::Restart | Deed::Shutdown => {
                Err("this server is a part of another program, which alone can end it".to_owned())
            }
        }
    }

    fn keep_out(&self, deed: &MemberDeed, word: SetAside, by: &Operator) -> String {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let said = OperatorWord { word, since, who: by.told(), why: deed.why.clone() };
        let mut words: Vec<_> = lock(&self.words).iter().filter(|word| !is_of(word, deed)).cloned().collect();
        words.push(MemberWord { cluster: deed.cluster.clone(), member: deed.member.clone(), said });
        self.heard(words, None);
        format!("{} is {}: it gets no new calls", deed.on(), word.word())
    }
}

fn is_of(word: &MemberWord, deed: &MemberDeed) -> bool {
    (&word.cluster, &word.member) == (&deed.cluster, &deed.member)
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    plain_file::append(path, LogKind::Lines, 0o640, true)
}

/// Those of one cluster, by the nodes of its members.
fn of_cluster(words: &[MemberWord], name: &str) -> OperatorWords {
    let of = words.iter().filter(|word| word.cluster == name);
    of.map(|word| (word.member.clone(), word.said.clone())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each is replaced or pushed to as a whole, so a poisoned one is still true.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the log of this process other levels for a time.
fn set_levels(wanted: &LogLevels, number: &Arc<AtomicU64>) -> Result<String, String> {
    let own = number.fetch_add(1, Relaxed) + 1;
    let Some(levels) = &wanted.levels else {
        log::set_levels(None);
        return Ok("the log has the levels of the start".to_owned());
    };
    log::check_levels(levels)?;
    log::set_levels(Some(levels));
    let (lasting, number) = (Duration::from_secs(wanted.seconds.min(log::LONGEST_LASTING)), number.clone());
    tasks::spawn("levels of the log, for a time", async move {
        tokio::time::sleep_until((Instant::now() + lasting).into()).await;
        if number.load(Relaxed) == own {
            log::set_levels(None);
            tracing::info!("the log has the levels of the start again");
        }
    });
    Ok(format!("the log has the levels {} for {lasting:?}", log::one_line(levels)))
}

impl InstanceControl for Acting {
    fn act(&self, act: OperatorAct) -> BoxFuture<'static, Result<String, String>> {
        match &self.way {
            ActingWay::Supervisor(supervisor) => {
                let supervisor = supervisor.clone();
                async move { supervisor.act(act, Instant::now() + TOLD_WITHIN).await }.boxed()
            }
            ActingWay::Alone { site, lifecycle, levels } => {
                let done = self.carry_out(&act, lifecycle, levels);
                self.note(act.entry(site, &done));
                std::future::ready(done).boxed()
            }
        }
    }

    fn refused(&self, entry: AuditEntry) {
        match &self.way {
            ActingWay::Supervisor(supervisor) => supervisor.relay.say(&FromProcess::Audit(entry)),
            ActingWay::Alone { site, .. } => self.note(AuditEntry { site: site.clone(), ..entry }),
        }
    }
}
