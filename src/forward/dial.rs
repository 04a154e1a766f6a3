//! The connection to a target: its name is looked up once, and what was judged is what is dialled.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::Forward;
use super::rejection::Rejection;
use super::target::{ProxyTarget, TargetHost};

/// Of the addresses of one name, so many are tried.
const TRIED: usize = 8;

impl Forward {
    /// Connects to a target that is open. `usual` are the ports that are open where a rule names none; `client` is the
    /// address by which the client is counted.
    pub(super) async fn dial(
        &self,
        target: &ProxyTarget,
        usual: &[u16],
        client: IpAddr,
    ) -> Result<TcpStream, Rejection> {
        let open = self.places(target, usual)?;
        let until = Instant::now() + self.settings.connect_timeout;
        let addresses = match &target.host {
            TargetHost::Address(address) => vec![*address],
            TargetHost::Name(name) => self.look_ups.look_up(client, name, until).await?,
        };
        let (mut passed, mut refused) = (Vec::new(), None);
        for address in addresses {
            match self.judge(address, &open) {
                Ok(()) => passed.push(address),
                Err(rejection) => refused = refused.or(Some(rejection)),
            }
        }
        passed.truncate(TRIED);
        match refused {
            Some(rejection) if passed.is_empty() => Err(rejection),
            _ => connected(&passed, target.port, until).await,
        }
    }
}

/// Connects to the first of these addresses that can be reached.
async fn connected(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, Rejection> {
    let mut why = Rejection::failed(504, "the connection to the host took too long", String::new());
    for (nth, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - nth).unwrap_or(1);
        let share: Duration = left / others;
        let to = SocketAddr::new(address.to_canonical(), port);
        match timeout(share, TcpStream::connect(to)).await {
            Ok(Ok(socket)) => {
                // Each piece is sent on as it comes.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => why = Rejection::failed(502, "the host cannot be reached", format!("{to}: {error}")),
            Err(_) => {
                why = Rejection::failed(504, "the connection to the host took too long", format!("{to}: no answer"));
            }
        }
    }
    Err(why)
}
