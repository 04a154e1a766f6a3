//! Fake clusters: members that are real listeners and answer as they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use skitai_wire::Value;

use super::conduct::{Canned, Conduct, ReceivedCall};
use super::listening::Listening;

/// Members on free ports of 127.0.0.1 that speak XML-RPC, JSON-RPC and plain HTTP. What is said to the cluster holds
/// for every member; [`member`](FakeCluster::member) gives one of them. All of it may be changed at any time. Dropping
/// it stops them.
///
/// ```
/// use std::time::Duration;
/// use skitai::test::FakeCluster;
///
/// let members = FakeCluster::start(3);
/// members.answer("search", ["Requiem"]).answer("count", 3);
/// members.member(0).latency(Duration::from_millis(300)); // slow
/// members.member(1).error_rate(0.5); // every second answer is HTTP 500
/// members.member(2).stop(); // refuses connections
/// assert_eq!(members.member(0).calls().len(), 0); // nobody has asked yet
/// ```
#[derive(Debug)]
pub struct FakeCluster {
    members: Vec<FakeMember>,
}

/// One member.
#[derive(Debug)]
pub struct FakeMember {
    conduct: Arc<Conduct>,
    listening: Listening,
}

impl std::fmt::Debug for Conduct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conduct").field("calls", &self.lock().calls.len()).finish_non_exhaustive()
    }
}

impl FakeCluster {
    /// So many members. To a method they know nothing of they answer with the fault −32601, to such a path with 404.
    ///
    /// # Panics
    /// When there is no free port.
    #[track_caller]
    pub fn start(members: usize) -> FakeCluster {
        FakeCluster::at((0..members).map(|_| 0))
    }

    /// Members on ports that a configuration names, for trying a site by hand: `FakeCluster::at([5001, 5002, 5003])`.
    ///
    /// # Panics
    /// When somebody listens there.
    #[track_caller]
    pub fn at(ports: impl IntoIterator<Item = u16>) -> FakeCluster {
        FakeCluster { members: ports.into_iter().map(FakeMember::start).collect() }
    }

    /// One member, counted from 0.
    ///
    /// # Panics
    /// When there is no such member.
    #[track_caller]
    pub fn member(&self, number: usize) -> &FakeMember {
        let many = self.members.len();
        self.members.get(number).unwrap_or_else(|| panic!("the cluster has {many} members, counted from 0"))
    }

    /// The members.
    pub fn members(&self) -> &[FakeMember] {
        &self.members
    }

    /// `host:port` of every member, as a configuration names them.
    pub fn nodes(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address().to_string()).collect()
    }

    /// See [`FakeMember::answer`].
    #[track_caller]
    pub fn answer(&self, method: &str, value: impl Serialize) -> &FakeCluster {
        let value = written(&value);
        self.each(|member| member.can(method, Canned::Value(value.clone())))
    }

    /// See [`FakeMember::answer_with`]; the first argument of `answer` is the member's number.
    pub fn answer_with<T: Serialize>(
        &self,
        method: &str,
        answer: impl Fn(usize, &[Value]) -> T + Send + Sync + 'static,
    ) -> &FakeCluster {
        let answer = Arc::new(answer);
        for (number, member) in self.members.iter().enumerate() {
            let answer = answer.clone();
            member.answer_with(method, move |params| answer(number, params));
        }
        self
    }

    /// See [`FakeMember::fault`].
    pub fn fault(&self, method: &str, code: i64, message: &str) -> &FakeCluster {
        self.each(|member| member.can(method, Canned::Fault(code, message.to_owned())))
    }

    /// See [`FakeMember::page`].
    pub fn page(&self, path: &str, status: u16, text: &str) -> &FakeCluster {
        self.each(|member| member.page(path, status, text))
    }

    /// See [`FakeMember::latency`].
    pub fn latency(&self, latency: Duration) -> &FakeCluster {
        self.each(|member| member.latency(latency))
    }

    /// See [`FakeMember::error_rate`].
    pub fn error_rate(&self, rate: f64) -> &FakeCluster {
        self.each(|member| member.error_rate(rate))
    }

    fn each(&self, tell: impl Fn(&FakeMember) -> &FakeMember) -> &FakeCluster {
        for member in &self.members {
            tell(member);
        }
        self
    }
}

impl FakeMember {
    #[track_caller]
    fn start(port: u16) -> FakeMember {
        let conduct = Arc::new(Conduct::default());
        let listening = Listening::start(port, &conduct)
            .unwrap_or_else(|error| panic!("port {port} of 127.0.0.1 cannot be listened on: {error}"));
        FakeMember { conduct, listening }
    }

    /// Where it listens, or would if it were not stopped.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Answers a method with this value, whatever its parameters.
    ///
    /// # Panics
    /// When the value cannot be written.
    #[track_caller]
    pub fn answer(&self, method: &str, value: impl Serialize) -> &FakeMember {
        self.can(method, Canned::Value(written(&value)))
    }

    /// Answers a method with what a function makes of its parameters. A panic in it is a fault that says so.
    pub fn answer_with<T: Serialize>(
        &self,
        method: &str,
        answer: impl Fn(&[Value]) -> T + Send + Sync + 'static,
    ) -> &FakeMember {
        self.can(method, Canned::Computed(Arc::new(move |params| written(&answer(params)))))
    }

    /// Answers a method with a fault.
    pub fn fault(&self, method: &str, code: i64, message: &str) -> &FakeMember {
        self.can(method, Canned::Fault(code, message.to_owned()))
    }

    /// Answers GET and POST of a path (without its query) with this status and text.
    pub fn page(&self, path: &str, status: u16, text: &str) -> &FakeMember {
        self.conduct.lock().pages.insert(path.to_owned(), (status, text.to_owned()));
        self
    }

    /// Waits so long before each answer. Default: not at all.
    pub fn latency(&self, latency: Duration) -> &FakeMember {
        self.conduct.lock().latency = latency;
        self
    }

    /// Answers this part of all requests, from 0 to 1, with HTTP 500. They are spread evenly, so that a test is the
    /// same each time: at 0.5 it is every second one, at 1 each. Default: none.
    pub fn error_rate(&self, rate: f64) -> &FakeMember {
        self.conduct.lock().error_rate = rate.clamp(0.0, 1.0);
        self
    }

    /// Refuses connections from now on, and closes those it has, whatever is under way on them.
    pub fn stop(&self) {
        self.conduct.stop();
        self.listening.stop();
    }

    /// Listens again where it did before [`stop`](FakeMember::stop).
    ///
    /// # Panics
    /// When somebody else listens there now.
    #[track_caller]
    pub fn start_again(&self) {
        self.conduct.lock().is_stopped = false;
        if let Err(error) = self.listening.again(&self.conduct) {
            panic!("{} cannot be listened on again: {error}", self.address());
        }
    }

    /// What it was asked so far, in the order of arrival; a page counts, too.
    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.conduct.lock().calls.clone()
    }

    fn can(&self, method: &str, canned: Canned) -> &FakeMember {
        self.conduct.lock().methods.insert(method.to_owned(), canned);
        self
    }
}

impl Drop for FakeMember {
    fn drop(&mut self) {
        self.stop();
    }
}

#[track_caller]
fn written(value: &impl Serialize) -> Value {
    match skitai_wire::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("this answer cannot be written: {error}"),
    }
}
