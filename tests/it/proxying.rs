//! The reverse proxy, between clients and members on raw sockets: what each of them sees, octet by octet.
//!
//! - [`member`]: members that do what a test says, and record what they get;
//! - [`heads`]: which headers go on, which stay, and what is added;
//! - [`bodies`]: bodies both ways, slow readers, and answers that break off;
//! - [`gates`]: limits, access lists and what browsers are told, as for any mount;
//! - [`members`]: which member is asked, when another one is, and what a client is told when none answers;
//! - [`upgrades`]: which other protocols are spoken; [`tunnels`]: what goes both ways then;
//! - [`sockets`]: WebSockets, with clients and servers from elsewhere;
//! - [`attacks`]: what an enemy tried.

mod attacks;
mod bodies;
mod gates;
mod heads;
pub(crate) mod member;
mod members;
mod sockets;
mod tunnels;
mod upgrades;

use member::RawMember;

use crate::harness::TestServer;
use crate::harness::server::Scenario;

/// A site whose `/articles` leads to one member.
fn before(member: &RawMember) -> Scenario {
    TestServer::site().route("/articles = @web").section(&format!("[@web]\nmembers = {}", member.node()))
}
