//! The connections to databases that the processes of the instance hold together.
//!
//! All of them together hold at no moment more than the newest configuration says: a process holds what it was granted,
//! and what it gives back is granted to another when the server has closed it. A process that is the only one is
//! granted all at once. One that takes the place of others gets what they return as they leave: first who has none and
//! needs one, then the newest. Who lacks one while another has some gets one of that one's, so two processes can share
//! a single connection.
//!
//! A process says once what it needs, before it serves.
//!
//! What a process held when it ended is free a moment later: the server needs that long to see it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use skitai_actors::db::may_give;

use crate::ipc::messages::{ConnectionCount, ToProcess};

/// How long the server may need to see that the connections of a process that has ended are gone. It looks every 300 ms
/// while a statement runs (`actors::db::postgres::dial`), and at once otherwise; a busy machine adds to that.
const SEEN_AFTER: Duration = Duration::from_secs(1);

/// The cluster and the member.
type Key = (String, String);

/// The most databases of one process, and the longest name of one, in octets: a site has some hundred.
const MOST_DATABASES: usize = 10_000;
const LONGEST_NAME: usize = 1_000;

/// Why a process is not believed what it needs.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unbelievable {
    #[error("it says that it has {0} databases, where {MOST_DATABASES} are the most")]
    Databases(usize),
    #[error("it names a database in more than {LONGEST_NAME} octets")]
    Name,
    #[error("it says a second time which databases it has")]
    Twice,
}

/// What is to be said, and to which process.
pub(super) type Letters = Vec<(i32, ToProcess)>;

#[derive(Debug, Default)]
pub(super) struct Bank {
    accounts: BTreeMap<Key, DbAccount>,
    /// They are told to leave.
    leaving: Vec<i32>,
}

/// One database.
#[derive(Debug, Default)]
struct DbAccount {
    /// The oldest first.
    holders: Vec<Holder>,
    /// What ended processes held: until when it counts, and how much it is.
    ended: Vec<(Instant, usize)>,
}

/// A process with one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pid: i32,
    /// What its configuration gives it.
    needs: usize,
    /// What its configuration gives the whole instance.
    of_instance: usize,
    granted: usize,
    /// How much of that is asked back.
    asked: usize,
    /// It lacks one, since this ticket; 0 if it does not.
    lacks: u64,
    /// Another was asked for what it lacks.
    is_awaited: bool,
}

/// All accounts, for the program that takes the instance over.
pub(super) type Books = Vec<(Key, Vec<Holder>)>;
/// What ended processes held: for how many milliseconds more it counts, and how much it is.
pub(super) type EndedBooks = Vec<(Key, u64, usize)>;

impl Bank {
    pub(super) fn books(&self) -> Books {
        self.accounts.iter().map(|(key, account)| (key.clone(), account.holders.clone())).collect()
    }

    pub(super) fn ended_books(&self, now: Instant) -> EndedBooks {
        let of = |(key, account): (&Key, &DbAccount)| {
            let left = |until: Instant| until.saturating_duration_since(now).as_millis() as u64;
            account.ended.iter().map(|(until, held)| (key.clone(), left(*until), *held)).collect::<Vec<_>>()
        };
        self.accounts.iter().flat_map(of).collect()
    }

    /// The bank with these books; `leaving` are those of the processes that leave.
    pub(super) fn of_books(books: Books, ended: EndedBooks, leaving: Vec<i32>, now: Instant) -> Bank {
        let account = |holders| DbAccount { holders, ended: Vec::new() };
        let mut accounts: BTreeMap<_, _> = books.into_iter().map(|(key, holders)| (key, account(holders))).collect();
        for (key, left_ms, held) in ended {
            accounts.entry(key).or_default().ended.push((now + Duration::from_millis(left_ms), held));
        }
        Bank { accounts, leaving }
    }

    /// A new process says what it needs, once.
    pub(super) fn needs(&mut self, pid: i32, connections: Vec<ConnectionCount>) -> Result<Letters, Unbelievable> {
        let databases = connections.len();
        if databases > MOST_DATABASES {
            return Err(Unbelievable::Databases(databases));
        }
        if connections.iter().any(|one| one.cluster.len().max(one.member.len()) > LONGEST_NAME) {
            return Err(Unbelievable::Name);
        }
        if self.accounts.values_mut().any(|account| account.holder(pid).is_some()) {
            return Err(Unbelievable::Twice);
        }
        let letters = self.each(connections, |account, count, of_instance| {
            // A member that is there twice has twice as many.
            if let Some(holder) = account.holder(pid) {
                holder.needs = holder.needs.saturating_add(count);
                holder.of_instance = holder.of_instance.saturating_add(of_instance);
                return;
            }
            account.holders.push(Holder {
                pid,
                needs: count,
                of_instance,
                granted: 0,
                asked: 0,
                lacks: 0,
                is_awaited: false,
            });
        });
        Ok(letters)
    }

    pub(super) fn returns(&mut self, pid: i32, connections: Vec<ConnectionCount>) -> Letters {
        self.each(connections, |account, count, _| {
            if let Some(holder) = account.holder(pid) {
                holder.granted = holder.granted.saturating_sub(count);
                holder.asked = holder.asked.saturating_sub(count);
            }
        })
    }

    pub(super) fn lacks(&mut self, pid: i32, connections: Vec<ConnectionCount>) -> Letters {
        self.each(connections, |account, _, _| {
            let last = account.holders.iter().map(|holder| holder.lacks).max().unwrap_or_default();
            if let Some(holder) = account.holder(pid) {
                (holder.lacks, holder.is_awaited) = (last + 1, false);
            }
        })
    }

    /// A process was told to leave.
    pub(super) fn leaves(&mut self, pid: i32) {
        self.leaving.push(pid);
    }

    /// A process has ended.
    pub(super) fn ended(&mut self, pid: i32, now: Instant) -> Letters {
        self.leaving.retain(|leaving| *leaving != pid);
        let leaving = &self.leaving;
        let mut letters = Vec::new();
        for (key, account) in &mut self.accounts {
            let Some(index) = account.holders.iter().position(|holder| holder.pid == pid) else { continue };
            let held = account.holders.remove(index).granted;
            if held > 0 {
                account.ended.push((now + SEEN_AFTER, held));
            }
            account.settle(key, leaving, &mut letters);
        }
        self.close();
        letters
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.accounts.values().flat_map(|account| &account.ended).map(|(until, _)| *until).min()
    }

    /// Grants what has become free by time.
    pub(super) fn look(&mut self, now: Instant) -> Letters {
        let mut letters = Vec::new();
        if self.due().is_none_or(|due| due > now) {
            return letters;
        }
        for (key, account) in &mut self.accounts {
            account.ended.retain(|(until, _)| *until > now);
            account.settle(key, &self.leaving, &mut letters);
        }
        self.close();
        letters
    }

    fn each(
        &mut self,
        connections: Vec<ConnectionCount>,
        mut change: impl FnMut(&mut DbAccount, usize, usize),
    ) -> Letters {
        let mut letters = Vec::new();
        for ConnectionCount { cluster, member, count, of_instance } in connections {
            let key = (cluster, member);
            let account = self.accounts.entry(key.clone()).or_default();
            change(account, count, of_instance);
            account.settle(&key, &self.leaving, &mut letters);
        }
        self.close();
        letters
    }

    /// Closes accounts that nobody has.
    fn close(&mut self) {
        self.accounts.retain(|_, account| !account.holders.is_empty() || !account.ended.is_empty());
    }
}

impl DbAccount {
    fn holder(&mut self, pid: i32) -> Option<&mut Holder> {
        self.holders.iter_mut().find(|holder| holder.pid == pid)
    }

    fn settle(&mut self, key: &Key, leaving: &[i32], letters: &mut Letters) {
        let of_instance = self.holders.last().map_or(0, |newest| newest.of_instance);
        let held: usize = self.holders.iter().map(|holder| holder.granted).sum();
        let ended: usize = self.ended.iter().map(|(_, held)| held).sum();
        let mut free = of_instance.saturating_sub(held + ended);
        let mut grants = vec![0; self.holders.len()];
        let mut lacking: Vec<_> = self.holders.iter_mut().enumerate().filter(|(_, holder)| holder.lacks > 0).collect();
        lacking.sort_by_key(|(_, holder)| holder.lacks);
        for (index, holder) in lacking.into_iter().take(free) {
            (holder.lacks, holder.is_awaited) = (0, false);
            grants[index] += 1;
            free -= 1;
        }
        // The newest of a place in the instance is the one that does not leave.
        let staying = self.holders.iter().enumerate().rev().filter(|(_, holder)| !leaving.contains(&holder.pid));
        for (index, holder) in staying {
            let more = holder.needs.saturating_sub(holder.granted + grants[index]).min(free);
            grants[index] += more;
            free -= more;
        }
        for (holder, count) in self.holders.iter_mut().zip(grants).filter(|(_, count)| *count > 0) {
            holder.granted += count;
            letters.push((holder.pid, ToProcess::Grants { connections: vec![connections(key, count)] }));
        }
        self.ask(key, letters);
    }

    /// Asks the richest for what others lack.
    fn ask(&mut self, key: &Key, letters: &mut Letters) {
        for index in 0..self.holders.len() {
            let Holder { lacks, is_awaited, granted, pid, .. } = self.holders[index];
            if lacks == 0 || is_awaited {
                continue;
            }
            let others = self.holders.iter_mut().filter(|other| other.pid != pid);
            let Some(richest) = others.max_by_key(|other| other.granted.saturating_sub(other.asked)) else { continue };
            if may_give(richest.granted.saturating_sub(richest.asked), granted) {
                richest.asked += 1;
                letters.push((richest.pid, ToProcess::Wants { connections: vec![connections(key, 1)] }));
                self.holders[index].is_awaited = true;
            }
        }
    }
}

fn connections((cluster, member): &Key, count: usize) -> ConnectionCount {
    ConnectionCount { cluster: cluster.clone(), member: member.clone(), count, of_instance: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("db", "here");

    fn some(count: usize) -> Vec<ConnectionCount> {
        vec![ConnectionCount { cluster: KEY.0.into(), member: KEY.1.into(), count, of_instance: count }]
    }

    /// `+3` for a grant, `-1` for a wish, by process.
    fn read(letters: Letters) -> Vec<(i32, i64)> {
        let count = |connections: &[ConnectionCount]| i64::try_from(connections[0].count).expect("a small number");
        letters
            .into_iter()
            .map(|(pid, letter)| match letter {
                ToProcess::Grants { connections } => (pid, count(&connections)),
                ToProcess::Wants { connections } => (pid, -count(&connections)),
                _ => panic!("the bank says {letter:?}"),
            })
            .collect()
    }

    #[test]
    fn a_process_alone_has_all_at_once_and_its_successor_what_it_returns() {
        let mut bank = Bank::default();
        assert_eq!(read(bank.needs(1, some(4)).expect("once")), [(1, 4)]);
        assert_eq!(read(bank.needs(2, some(4)).expect("once")), []);
        bank.leaves(1);
        assert_eq!(read(bank.returns(1, some(3))), [(2, 3)]);
        // The old one ends in disorder: what it had is free a moment later.
        let now = Instant::now();
        assert_eq!(read(bank.ended(1, now)), []);
        assert_eq!(read(bank.look(now)), []);
        assert_eq!(bank.due(), Some(now + SEEN_AFTER));
        assert_eq!(read(bank.look(now + SEEN_AFTER)), [(2, 1)]);
        assert_eq!(bank.due(), None);
    }

    #[test]
    fn of_three_generations_the_newest_gets_what_comes() {
        let mut bank = Bank::default();
        bank.needs(1, some(4)).expect("once");
        bank.needs(2, some(4)).expect("once");
        bank.leaves(1);
        bank.returns(1, some(2));
        bank.needs(3, some(4)).expect("once");
        assert_eq!(read(bank.returns(1, some(1))), [(3, 1)]);
        bank.leaves(2);
        assert_eq!(read(bank.returns(2, some(2))), [(3, 2)]);
        assert_eq!(read(bank.returns(1, some(1))), [(3, 1)]);
    }

    #[test]
    fn two_share_a_single_connection() {
        let mut bank = Bank::default();
        bank.needs(1, some(1)).expect("once");
        bank.needs(2, some(1)).expect("once");
        assert_eq!(read(bank.lacks(2, some(0))), [(1, -1)]);
        assert_eq!(read(bank.lacks(1, some(0))), [], "the other has none");
        for (from, to) in [(1, 2), (2, 1)] {
            assert_eq!(read(bank.returns(from, some(1))), [(to, 1), (to, -1)][..if from == 1 { 2 } else { 1 }]);
        }
    }

    #[test]
    fn another_number_counts_as_soon_as_a_process_has_it() {
        let mut bank = Bank::default();
        bank.needs(1, some(4)).expect("once");
        assert_eq!(read(bank.needs(2, some(6)).expect("once")), [(2, 2)]);
        bank.leaves(1);
        bank.returns(1, some(4));
        assert_eq!(read(bank.needs(3, some(2)).expect("once")), []);
        bank.leaves(2);
        assert_eq!(read(bank.returns(2, some(4))), [], "it is still one too many to grant more");
        assert_eq!(read(bank.returns(2, some(1))), [(3, 1)]);
        assert_eq!(read(bank.returns(2, some(1))), [(3, 1)]);
    }

    #[test]
    fn a_member_that_is_there_twice_has_twice_as_many_and_gives_all_back() {
        let mut bank = Bank::default();
        let twice = || some(2).into_iter().chain(some(2)).collect();
        bank.needs(1, twice()).expect("once");
        let granted = |bank: &Bank, pid| {
            let books = bank.books();
            books[0].1.iter().filter(|holder| holder.pid == pid).map(|holder| holder.granted).sum::<usize>()
        };
        assert_eq!((granted(&bank, 1), bank.books()[0].1.len()), (4, 1));
        bank.needs(2, twice()).expect("once");
        let now = Instant::now();
        bank.ended(1, now);
        // Another program takes over meanwhile, and does not know less of it.
        let mut bank = Bank::of_books(bank.books(), bank.ended_books(now), Vec::new(), now);
        assert_eq!(read(bank.look(now + SEEN_AFTER / 2)), []);
        bank.look(now + SEEN_AFTER);
        assert_eq!(granted(&bank, 2), 4);
    }

    #[test]
    fn what_no_site_has_is_not_believed() {
        let mut bank = Bank::default();
        bank.needs(1, some(4)).expect("once");
        assert!(matches!(bank.needs(1, some(4)), Err(Unbelievable::Twice)));
        let many = std::iter::repeat_n(some(1), MOST_DATABASES + 1).flatten().collect();
        assert!(matches!(bank.needs(2, many), Err(Unbelievable::Databases(_))));
        let long = ConnectionCount { member: "x".repeat(LONGEST_NAME + 1), ..some(1).remove(0) };
        assert!(matches!(bank.needs(2, vec![long]), Err(Unbelievable::Name)));
        assert_eq!(bank.books().len(), 1, "nothing is kept of it");
        assert_eq!(read(bank.returns(9, some(usize::MAX))), []);
    }
}
