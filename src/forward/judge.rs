//! Which places are open: by the rules of `hosts`, and for what is not public by rules that list its address.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::Forward;
use super::counts::ProxyRefusal;
use super::rejection::Rejection;
use super::special::special;
use super::target::{ProxyTarget, TargetHost};
use crate::config::{HostPlace, HostRule, ListenAddress};

/// The rules that are about one target's port, and whether one of them is about its name.
pub(super) struct OpenPlaces<'r> {
    rules: Vec<&'r HostRule>,
    port: u16,
    is_named: bool,
}

impl Forward {
    /// What is open for a target, before anything is looked up for it.
    pub(super) fn places(&self, target: &ProxyTarget, usual: &[u16]) -> Result<OpenPlaces<'_>, Rejection> {
        let rules: Vec<_> = self.settings.hosts.iter().filter(|rule| rule.opens(target.port, usual)).collect();
        if rules.is_empty() {
            let why = format!("this proxy does not lead to port {}", target.port);
            return Err(Rejection::new(403, ProxyRefusal::Port, why));
        }
        let is_named = match &target.host {
            TargetHost::Name(name) => rules.iter().any(|rule| rule.has_name(name)),
            TargetHost::Address(_) => rules.iter().any(|rule| rule.place == HostPlace::Any),
        };
        let has_networks = rules.iter().any(|rule| matches!(rule.place, HostPlace::Network(_)));
        // Whoever asks for a name that leads nowhere learns nothing of our name server.
        if !is_named && !has_networks {
            return Err(self.not_listed(target));
        }
        Ok(OpenPlaces { rules, port: target.port, is_named })
    }

    /// Judges the address that is about to be connected to.
    pub(super) fn judge(&self, address: IpAddr, open: &OpenPlaces<'_>) -> Result<(), Rejection> {
        let listed = |of_port: bool| {
            let is_meant = |rule: &&&HostRule| rule.has_address(address) && (!of_port || rule.port == Some(open.port));
            open.rules.iter().any(|rule| is_meant(&rule))
        };
        if self.is_own(address, open.port) && !listed(true) {
            let why = "this proxy does not lead to the site that it belongs to, nor to itself";
            return Err(Rejection::new(403, ProxyRefusal::Own, why));
        }
        if listed(false) {
            return Ok(());
        }
        if let Some(kind) = special(address) {
            let why = "this host has an address to which this proxy does not lead";
            return Err(Rejection::new(403, ProxyRefusal::Address, why).because(format!("{address} is {kind}")));
        }
        if open.is_named { Ok(()) } else { Err(not_listed()) }
    }

    /// Which of the two is not listed: the host, or its port.
    fn not_listed(&self, target: &ProxyTarget) -> Rejection {
        let has_host = |rule: &HostRule| match &target.host {
            TargetHost::Name(name) => rule.place != HostPlace::Any && rule.has_name(name),
            TargetHost::Address(_) => false,
        };
        if self.settings.hosts.iter().any(has_host) {
            let why = format!("this proxy leads to this host, and not to its port {}", target.port);
            return Rejection::new(403, ProxyRefusal::Port, why);
        }
        not_listed()
    }

    /// Whether this site listens there.
    fn is_own(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        self.listens.iter().any(|listens| match listens {
            ListenAddress::Tcp { port: own, .. } if *own != port => false,
            // Whoever listens at `0.0.0.0` or `[::]` listens at all addresses of this machine.
            ListenAddress::Tcp { ip: Some(ip), .. } if !ip.is_unspecified() => {
                // Who connects to 0.0.0.0 comes to the loopback address.
                ip.to_canonical() == address || address.is_unspecified()
            }
            ListenAddress::Tcp { .. } => is_of_this_machine(address),
            ListenAddress::Unix(_) => false,
        })
    }
}

fn not_listed() -> Rejection {
    Rejection::new(403, ProxyRefusal::Host, "this proxy does not lead to this host")
}

/// Whether this machine has the address: to an own one the kernel would send from the same.
fn is_of_this_machine(address: IpAddr) -> bool {
    if address.is_loopback() || address.is_unspecified() {
        return true;
    }
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    // Connecting a socket of UDP sends nothing.
    let from = UdpSocket::bind(any)
        .and_then(|socket| socket.connect(SocketAddr::new(address, 9)).and_then(|()| socket.local_addr()));
    from.is_ok_and(|from| from.ip() == address)
}
