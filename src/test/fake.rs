//! Fake clusters: members that are real listeners with canned answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use skitai_wire::Value;

use super::conduct::{Canned, Conduct, ReceivedCall};
use super::listening::Listening;

/// Members on free ports of 127.0.0.1 that speak XML-RPC, JSON-RPC and plain HTTP. Settings of the cluster apply to
/// every member; [`member`](FakeCluster::member) returns one of them. All settings may change at any time. Dropping the
/// cluster stops its members.
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
    /// Starts this many members. They answer an unknown method with the fault −32601 and an unknown path with 404.
    ///
    /// # Panics
    /// If there is no free port.
    #[track_caller]
    pub fn start(members: usize) -> FakeCluster {
        FakeCluster::at((0..members).map(|_| 0))
    }

    /// Starts members on the ports of a configuration, to try a site by hand: `FakeCluster::at([5001, 5002, 5003])`.
    ///
    /// # Panics
    /// If a port is in use.
    #[track_caller]
    pub fn at(ports: impl IntoIterator<Item = u16>) -> FakeCluster {
        FakeCluster { members: ports.into_iter().map(FakeMember::start).collect() }
    }

    /// One member, counted from 0.
    ///
    /// # Panics
    /// If there is no such member.
    #[track_caller]
    pub fn member(&self, number: usize) -> &FakeMember {
        let many = self.members.len();
        self.members.get(number).unwrap_or_else(|| panic!("the cluster has {many} members, counted from 0"))
    }

    /// All members.
    pub fn members(&self) -> &[FakeMember] {
        &self.members
    }

    /// `host:port` of every member, in the form a configuration uses.
    pub fn nodes(&self) -> Vec<String> {
        self.members.iter().map(|member| member.address().to_string()).collect()
    }

    /// See [`FakeMember::answer`].
    #[track_caller]
    pub fn answer(&self, method: &str, value: impl Serialize) -> &FakeCluster {
        let value = written(&value);
        self.each(|member| member.can(method, Canned::Value(value.clone())))
    }

    /// See [`FakeMember::answer_with`]; the first argument of `answer` is the member's number, from 0.
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

    /// The address of its listener, also while it is stopped.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Sets the answer of a method, for any parameters.
    ///
    /// # Panics
    /// If the value cannot be serialised.
    #[track_caller]
    pub fn answer(&self, method: &str, value: impl Serialize) -> &FakeMember {
        self.can(method, Canned::Value(written(&value)))
    }

    /// Sets a function that computes the answer of a method from its parameters. A panic in it becomes a fault.
    pub fn answer_with<T: Serialize>(
        &self,
        method: &str,
        answer: impl Fn(&[Value]) -> T + Send + Sync + 'static,
    ) -> &FakeMember {
        self.can(method, Canned::Computed(Arc::new(move |params| written(&answer(params)))))
    }

    /// Sets a fault as the answer of a method.
    pub fn fault(&self, method: &str, code: i64, message: &str) -> &FakeMember {
        self.can(method, Canned::Fault(code, message.to_owned()))
    }

    /// Sets status and text for GET and POST of a path (without its query).
    pub fn page(&self, path: &str, status: u16, text: &str) -> &FakeMember {
        self.conduct.lock().pages.insert(path.to_owned(), (status, text.to_owned()));
        self
    }

    /// Sets the delay before each answer. Default: none.
    pub fn latency(&self, latency: Duration) -> &FakeMember {
        self.conduct.lock().latency = latency;
        self
    }

    /// Sets the fraction of requests, from 0 to 1, that get HTTP 500. These are spread evenly, so that a test is
    /// reproducible: at 0.5 every second request fails, at 1 every one. Default: 0.
    pub fn error_rate(&self, rate: f64) -> &FakeMember {
        self.conduct.lock().error_rate = rate.clamp(0.0, 1.0);
        self
    }

    /// Refuses connections from now on, and closes existing ones, even during a request.
    pub fn stop(&self) {
        self.conduct.stop();
        self.listening.stop();
    }

    /// Listens again on the same port after [`stop`](FakeMember::stop).
    ///
    /// # Panics
    /// If the port is now in use.
    #[track_caller]
    pub fn start_again(&self) {
        self.conduct.lock().is_stopped = false;
        if let Err(error) = self.listening.again(&self.conduct) {
            panic!("{} cannot be listened on again: {error}", self.address());
        }
    }

    /// The calls received so far, pages included, in the order of arrival.
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
