//! A server on several sockets, some of them inherited: threads start once, and files of others stay.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::hello;
use crate as skitai;
use crate::app::App;
use crate::config::Loaded;
use crate::serve::keys::Keys;
use crate::serve::listen::{self, BoundAddress, Listener};
use crate::serve::server;
use crate::serve::site::OpenSite;

fn said(mut conn: impl Read + Write) -> String {
    conn.write_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
    let mut said = String::new();
    conn.read_to_string(&mut said).expect("an answer");
    said
}

#[test]
fn a_thread_starts_once_for_all_sockets_and_an_inherited_file_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let owner = UnixListener::bind(&path).expect("nobody is there");
    let started = Arc::new(AtomicUsize::new(0));
    let counted = started.clone();
    let mut loaded = Loaded::without_conf("/nonexistent".as_ref(), &["a"]);
    loaded.settings.server.threads = 2;
    let inherited = || Listener::from_fd(owner.try_clone().expect("a descriptor").into()).expect("it listens");
    let port = listen::tcp(Some(std::net::Ipv4Addr::LOCALHOST.into()), 0).expect("a port");
    let Ok(BoundAddress::Tcp(address)) = port.address() else { panic!("it has a port") };
    let listeners = vec![port, inherited(), inherited()];
    let at = path.clone();
    actix_rt::System::new().block_on(async move {
        let app = App::new("a").routes(skitai::routes![hello]);
        let site = OpenSite::open(&loaded, vec![app], &Keys::ephemeral(), None).expect("a good site");
        let began = move || {
            counted.fetch_add(1, Relaxed);
        };
        let serving = server::start(&site, listeners, None, began).expect("it starts");
        let drain = serving.drain();
        let asked = std::thread::spawn(move || {
            let mut all = Vec::new();
            for _ in 0..4 {
                all.push(said(UnixStream::connect(&at).expect("it listens")));
                all.push(said(std::net::TcpStream::connect(address).expect("it listens")));
            }
            drain.begin();
            all
        });
        serving.ended().await.expect("it ends in order");
        for said in asked.join().expect("no panic") {
            assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("Hello World"), "{said}");
        }
    });
    assert_eq!(started.load(Relaxed), 2, "one set of actors for each thread");
    let waiting = UnixStream::connect(&path).expect("the file is its owner's, who listens still");
    owner.accept().expect("the next process gets it");
    drop(waiting);
}
