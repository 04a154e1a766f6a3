//! A wire between a server and its member that can be cut, stalled and mended.
//!
//! Cut, the port refuses and open connections are reset or closed; stalled, connections are taken and nothing flows.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use super::{eventually, ports};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Whole,
    Stalled,
    Cut,
}

struct Shared {
    wire: Mutex<Wire>,
    mended: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

/// A relay from a port of its own to another port of this machine.
pub(crate) struct Relay {
    port: u16,
    to: u16,
    shared: Arc<Shared>,
}

impl Relay {
    pub(crate) fn to(to: u16) -> Relay {
        let shared = Shared { wire: Mutex::new(Wire::Whole), mended: Condvar::new(), open: Mutex::new(Vec::new()) };
        let relay = Relay { port: ports::free(), to, shared: Arc::new(shared) };
        relay.listen();
        relay
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on the port refuses, and what was open is gone.
    pub(crate) fn cut(&self) {
        self.set(Wire::Cut);
        for stream in self.shared.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
        // The accepting thread wakes at the next connection, sees the cut and drops its listener.
        eventually("the relay's port refuses", || TcpStream::connect(("127.0.0.1", self.port)).is_err().then_some(()));
    }

    /// From now on nothing flows, on old connections and new ones.
    pub(crate) fn stall(&self) {
        self.set(Wire::Stalled);
    }

    /// Everything flows again, at the same port.
    pub(crate) fn mend(&self) {
        let was = self.set(Wire::Whole);
        if was == Wire::Cut {
            self.listen();
        }
    }

    fn set(&self, wire: Wire) -> Wire {
        let was = std::mem::replace(&mut *self.shared.wire.lock().unwrap(), wire);
        self.shared.mended.notify_all();
        was
    }

    fn listen(&self) {
        let listener = eventually("the relay's port is free", || TcpListener::bind(("127.0.0.1", self.port)).ok());
        let (to, shared) = (self.to, Arc::clone(&self.shared));
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if *shared.wire.lock().unwrap() == Wire::Cut {
                    return;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let copies = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                shared.open.lock().unwrap().extend(copies);
                pump(near.try_clone().unwrap(), far.try_clone().unwrap(), Arc::clone(&shared));
                pump(far, near, Arc::clone(&shared));
            }
        });
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Carries bytes one way until either end closes.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let wire = shared.wire.lock().unwrap();
            drop(shared.mended.wait_while(wire, |wire| *wire == Wire::Stalled).unwrap());
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Both));
        drop(from.shutdown(Shutdown::Both));
    });
}
