//! The sockets of a fake member: one thread accepts, and one per connection answers; all end with the member.

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use skitai_wire::jsonrpc::{self, Incoming, Params};
use skitai_wire::{Limits, Value, xmlrpc};

use super::conduct::{Canned, Conduct, ReceivedCall};
use super::message::{Message, Unmeasured};
use crate::app::code;
use crate::observe::panics;

/// A port and the threads that serve it.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    /// `None` while the member is stopped.
    accepting: Mutex<Option<Accepting>>,
}

#[derive(Debug)]
struct Accepting {
    thread: JoinHandle<()>,
    /// Clones of the accepted sockets, to shut them down at the end; those of closed connections are removed when new
    /// ones are accepted.
    open: Arc<Open>,
}

/// Each with a marker that lives as long as its thread.
type Open = Mutex<Vec<(TcpStream, Weak<()>)>>;

impl Listening {
    pub(super) fn start(port: u16, conduct: &Arc<Conduct>) -> io::Result<Listening> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let accepting = Mutex::new(Some(Accepting::start(listener, conduct)?));
        Ok(Listening { address, accepting })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn again(&self, conduct: &Arc<Conduct>) -> io::Result<()> {
        let mut accepting = lock(&self.accepting);
        if accepting.is_none() {
            *accepting = Some(Accepting::start(TcpListener::bind(self.address)?, conduct)?);
        }
        Ok(())
    }

    /// Wakes the accepting thread and waits for it; the member's behaviour is already stopped.
    pub(super) fn stop(&self) {
        let Some(Accepting { thread, open }) = lock(&self.accepting).take() else { return };
        drop(TcpStream::connect(self.address));
        drop(thread.join());
        for (stream, _) in lock(&open).drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Accepting {
    fn start(listener: TcpListener, conduct: &Arc<Conduct>) -> io::Result<Accepting> {
        let open: Arc<Open> = Arc::default();
        let (conduct, sockets) = (conduct.clone(), open.clone());
        let thread = std::thread::Builder::new().name("fake member".to_owned()).spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if conduct.lock().is_stopped {
                    return;
                }
                let lives = Arc::new(());
                if let Ok(second) = stream.try_clone() {
                    let mut sockets = lock(&sockets);
                    sockets.retain(|(_, lives)| lives.strong_count() > 0);
                    sockets.push((second, Arc::downgrade(&lives)));
                }
                let conduct = conduct.clone();
                // If the caller disconnects, writing fails: that ends the connection and is not an error of the test.
                std::thread::spawn(move || {
                    drop(converse(&stream, &conduct));
                    drop(stream.shutdown(Shutdown::Both));
                    drop(lives);
                });
            }
        })?;
        Ok(Accepting { thread, open })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers requests until the caller disconnects or the member is stopped.
fn converse(stream: &TcpStream, conduct: &Conduct) -> io::Result<()> {
    let mut incoming = BufReader::new(stream);
    while let Some(request) = Message::read(&mut incoming, true, Unmeasured::Empty)? {
        let asked = ReceivedRequest::of(&request);
        let fails = conduct.lock().note(asked.call());
        conduct.take_time();
        if conduct.lock().is_stopped {
            return Ok(());
        }
        let (status, content_type, body) = match fails {
            true => (500, "text/plain", b"an error, as this fake member was told to answer".to_vec()),
            false => asked.answer(conduct),
        };
        let head =
            format!("HTTP/1.1 {status} x\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
        let body = if request.first.starts_with("HEAD ") { Vec::new() } else { body };
        (&mut &*stream).write_all(&[head.into_bytes(), body].concat())?;
    }
    Ok(())
}

/// A parsed request.
enum ReceivedRequest<'m> {
    Xml(xmlrpc::Call),
    Json(jsonrpc::Request<'m>),
    Page(&'m str),
    /// Malformed RPC, with the reason.
    Unreadable(String),
}

impl<'m> ReceivedRequest<'m> {
    fn of(request: &'m Message) -> ReceivedRequest<'m> {
        let mut words = request.first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or("/"));
        let kind = request.header("content-type").unwrap_or("");
        if method == "POST" && kind.contains("xml") {
            match xmlrpc::parse_call(&request.body, &Limits::default()) {
                Ok(call) => ReceivedRequest::Xml(call),
                Err(error) => ReceivedRequest::Unreadable(error.to_string()),
            }
        } else if method == "POST" && kind.contains("json") {
            match jsonrpc::parse(&request.body) {
                Ok(Incoming::Single(Ok(call))) => ReceivedRequest::Json(call),
                Ok(Incoming::Single(Err(invalid))) => ReceivedRequest::Unreadable(invalid.message.to_string()),
                Ok(Incoming::Batch(_)) => ReceivedRequest::Unreadable("a fake member takes no batch".to_owned()),
                Err(error) => ReceivedRequest::Unreadable(error.to_string()),
            }
        } else {
            ReceivedRequest::Page(target.split('?').next().unwrap_or("/"))
        }
    }

    fn call(&self) -> ReceivedCall {
        let (method, params) = match self {
            ReceivedRequest::Xml(call) => (call.method.to_string(), call.params.clone()),
            ReceivedRequest::Json(call) => (call.method.to_string(), given(&call.params)),
            ReceivedRequest::Page(path) => ((*path).to_owned(), Vec::new()),
            ReceivedRequest::Unreadable(_) => ("?".to_owned(), Vec::new()),
        };
        ReceivedCall { method, params }
    }

    fn answer(self, conduct: &Conduct) -> (u16, &'static str, Vec<u8>) {
        match self {
            ReceivedRequest::Xml(call) => {
                let document = match result(conduct, &call.method, &call.params) {
                    Ok(value) => xmlrpc::write_response(&value)
                        .unwrap_or_else(|error| xmlrpc::write_fault(code::INTERNAL, &error.to_string())),
                    Err((code, message)) => xmlrpc::write_fault(code, &message),
                };
                (200, "text/xml", document)
            }
            ReceivedRequest::Json(call) => {
                let Some(id) = call.id else { return (204, "application/json", Vec::new()) };
                let document = match result(conduct, &call.method, &given(&call.params)) {
                    Ok(value) => jsonrpc::write_result(&id, &value, call.v1).unwrap_or_else(|error| {
                        jsonrpc::write_error(Some(&id), code::INTERNAL, &error.to_string(), None, call.v1)
                    }),
                    Err((code, message)) => jsonrpc::write_error(Some(&id), code, &message, None, call.v1),
                };
                (200, "application/json", document)
            }
            ReceivedRequest::Page(path) => match conduct.lock().pages.get(path) {
                Some((status, text)) => (*status, "text/plain; charset=utf-8", text.clone().into_bytes()),
                None => (404, "text/plain", format!("this fake member has no page {path}").into_bytes()),
            },
            ReceivedRequest::Unreadable(why) => (400, "text/plain", why.into_bytes()),
        }
    }
}

fn given(params: &Params) -> Vec<Value> {
    match params {
        Params::None => Vec::new(),
        Params::Positional(values) => values.clone(),
        Params::Named(map) => vec![Value::Map(map.clone())],
    }
}

fn result(conduct: &Conduct, method: &str, params: &[Value]) -> Result<Value, (i64, String)> {
    let canned = conduct.lock().methods.get(method).cloned();
    match canned {
        Some(Canned::Value(value)) => Ok(value),
        Some(Canned::Fault(code, message)) => Err((code, message)),
        // Called without the lock, because it is the test's own code and may call methods of the member.
        Some(Canned::Computed(answer)) => {
            panics::catch(|| answer(params)).map_err(|panicked| (code::INTERNAL, panicked.to_string()))
        }
        None => Err((code::METHOD_NOT_FOUND, format!("this fake member has no answer to `{method}`"))),
    }
}
