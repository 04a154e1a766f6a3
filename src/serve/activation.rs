//! Listening sockets that a service manager has opened (socket activation, `LISTEN_FDS`): they are listened on in place
//! of those of the configuration. Their files are the manager's.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::{env, io, process};

use super::listen::{BoundAddress, Listener};
use crate::config::{ListenAddress, ListenSettings};

/// The number of the first descriptor; the others follow it.
const FIRST: RawFd = 3;
/// A socket without a file has nothing that could keep others away.
const OPEN_TO_ALL: u32 = 0o666;

/// Why the sockets of the service manager cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActivationError {
    #[error("LISTEN_FDS={0}: that is no number of descriptors; a service manager sets it")]
    Count(String),
    #[error(
        "the service manager gave descriptor {number} (`{name}`), and it cannot be listened on: {error}; a .socket \
         unit names stream sockets (`ListenStream=`) and leaves accepting to the service (`Accept=no`)"
    )]
    Unfit { number: RawFd, name: String, error: io::Error },
    #[error(
        "devel mode shows errors and source, and other machines or users reach a socket that the service manager gave \
         ({0}): let its unit listen on 127.0.0.1, or on a path with `SocketMode=0600`, or write `devel = no`"
    )]
    Devel(String),
}

/// Takes the sockets that the service manager gave this process; none without one, and none the second time. To be
/// called before anything else opens a descriptor.
pub(crate) fn take() -> Result<Vec<Listener>, ActivationError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let var = |name: &str| env::var(name).ok();
    // Those of another process are inherited by mistake.
    if TAKEN.swap(true, Relaxed) || var("LISTEN_PID").and_then(|pid| pid.parse().ok()) != Some(process::id()) {
        return Ok(Vec::new());
    }
    let Some(count) = var("LISTEN_FDS") else { return Ok(Vec::new()) };
    let count: RawFd = count.parse().ok().filter(|count| *count >= 0).ok_or(ActivationError::Count(count))?;
    let names = var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut listeners = Vec::new();
    for number in FIRST..FIRST.saturating_add(count) {
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
        match descriptor(number).and_then(Listener::from_fd) {
            Ok(listener) => listeners.push(listener),
            Err(error) => return Err(ActivationError::Unfit { number, name, error }),
        }
    }
    if !listeners.is_empty() {
        tracing::info!(
            "listens on the sockets of the service manager, {}; `ip`, `port` and `listen` have no effect",
            shown(&settings(&listeners))
        );
    }
    Ok(listeners)
}

fn descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if !Path::new(&format!("/proc/self/fd/{number}")).exists() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it is not open"));
    }
    #[expect(unsafe_code, reason = "LISTEN_PID says that it was opened for this process to own; `take` runs once")]
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Where the sockets listen, as settings: who may reach a site is asked of these.
pub(crate) fn settings(listeners: &[Listener]) -> ListenSettings {
    let (mut addresses, mut mode) = (Vec::new(), 0);
    for address in listeners.iter().filter_map(|listener| listener.address().ok()) {
        addresses.push(match address {
            BoundAddress::Tcp(address) => {
                ListenAddress::Tcp { ip: Some(address.ip()).filter(|ip| !ip.is_unspecified()), port: address.port() }
            }
            BoundAddress::Unix(path) => {
                mode |= fs::metadata(&path).map_or(OPEN_TO_ALL, |file| file.permissions().mode() & 0o777);
                ListenAddress::Unix(path)
            }
        });
    }
    ListenSettings { addresses, mode, is_given: true, ..ListenSettings::default() }
}

/// The same for a site in devel mode or not.
pub(crate) fn settings_for(devel: bool, listeners: &[Listener]) -> Result<ListenSettings, ActivationError> {
    let settings = settings(listeners);
    if devel && !settings.is_private() {
        return Err(ActivationError::Devel(shown(&settings)));
    }
    Ok(settings)
}

fn shown(settings: &ListenSettings) -> String {
    settings.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
