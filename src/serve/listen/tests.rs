use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;

use socket2::SockRef;

use super::*;

fn at(path: &Path) -> ListenSettings {
    ListenSettings { addresses: vec![ListenAddress::Unix(path.to_owned())], mode: 0o640, ..ListenSettings::default() }
}

fn opened(listening: ListenSettings) -> Result<Vec<Listener>, String> {
    open(&ServerSettings { listening, ..ServerSettings::default() }).map_err(|error| error.to_string())
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_socket())
}

#[test]
fn a_socket_has_its_mode_before_anybody_can_connect_and_goes_with_its_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let listeners = opened(at(&path)).expect("nobody is there");
    assert_eq!(fs::metadata(&path).expect("its file").permissions().mode() & 0o777, 0o640);
    assert_eq!(listeners[0].address().expect("an address"), BoundAddress::Unix(path.clone()));
    UnixStream::connect(&path).expect("it listens");
    let files = SocketFiles::of(&listeners);
    drop(listeners);
    assert!(is_socket(&path), "the listener itself removes nothing");
    drop(files);
    assert!(!path.exists());
}

#[test]
fn a_file_in_the_place_of_ours_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let first = opened(at(&path)).expect("nobody is there");
    let of_first = SocketFiles::of(&first);
    // It drains and listens no more: the next one takes the path.
    drop(first);
    let second = opened(at(&path)).expect("nobody listens");
    drop(of_first);
    UnixStream::connect(&path).expect("the second listens where the first did");
    drop(SocketFiles::of(&second));
    assert!(!path.exists());
    fs::write(&path, "something else").expect("written");
    drop(SocketFiles::of(&second));
    assert!(path.exists(), "this is no socket");
}

#[test]
fn what_is_in_the_way_is_told_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "precious").expect("written");
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).expect("linked");
    let listened = folder.path().join("a.sock");
    let _listener = opened(at(&listened)).expect("nobody is there");
    let long = folder.path().join("x".repeat(108));
    for (path, why) in [
        (file.as_path(), "it is no socket; it stays as it is"),
        (&link, "it is no socket"),
        (folder.path(), "it is no socket"),
        (&listened, "somebody listens there already"),
        (&folder.path().join("missing/a.sock"), "there is no folder"),
        (&long, "and a socket's may have 107"),
    ] {
        let told = opened(at(path)).expect_err("refused");
        assert!(told.contains(why) && told.contains(&path.display().to_string()), "{told}");
    }
    assert_eq!(fs::read_to_string(&link).expect("there"), "precious");
    UnixStream::connect(&listened).expect("it listens still");
}

#[test]
fn a_socket_whose_queue_is_full_is_no_stale_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    socket.bind(&SockAddr::unix(&path).expect("a path")).expect("bound");
    socket.listen(0).expect("listening");
    let connect = || {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        client.set_nonblocking(true)?;
        client.connect(&SockAddr::unix(&path)?).map(|()| client)
    };
    let _queue: Vec<Socket> = std::iter::from_fn(|| connect().ok()).collect();
    let told = opened(at(&path)).expect_err("somebody listens");
    assert!(told.contains("somebody listens"), "{told}");
}

#[test]
fn of_those_who_start_at_once_one_listens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let together = std::sync::Barrier::new(8);
    for _ in 0..100 {
        // What a crash leaves.
        drop(UnixListener::bind(&path).expect("nobody is there"));
        let open = || {
            together.wait();
            opened(at(&path))
        };
        let mut listening: Vec<Listener> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().filter_map(|thread| thread.join().expect("no panic").ok()).flatten().collect()
        });
        assert_eq!(listening.len(), 1);
        let Some(Listener::Unix(listener)) = listening.pop() else { panic!("one of them") };
        let _client = UnixStream::connect(&path).expect("it listens");
        listener.accept().expect("the file is its own");
        fs::remove_file(&path).expect("there");
    }
}

#[test]
fn if_one_address_fails_no_file_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = taken.local_addr().expect("an address");
    let path = folder.path().join("a.sock");
    let mut listening = at(&path);
    listening.addresses.push(ListenAddress::Tcp { ip: Some(address.ip()), port: address.port() });
    let told = opened(listening).expect_err("the port is in use");
    assert!(told.contains(&format!("port {} of 127.0.0.1 is in use", address.port())), "{told}");
    assert!(told.contains("-p PORT"), "{told}");
    assert!(!path.exists());
}

#[test]
fn owners_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let user = Some("no-such-name-here".to_owned());
    let told = opened(ListenSettings { owner: Some(crate::config::SocketOwner { user, group: None }), ..at(&path) });
    let told = told.expect_err("refused");
    assert!(told.contains("no user `no-such-name-here`"), "{told}");
    assert!(!path.exists());
}

/// The two ends of a connection to a listener.
fn accepted(listener: &Listener) -> (TcpStream, TcpStream) {
    let Listener::Tcp(listener) = listener else { panic!("it is TCP") };
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("it listens");
    listener.set_nonblocking(false).expect("a socket");
    (client, listener.accept().expect("a connection").0)
}

#[test]
fn accepted_connections_send_small_pieces_at_once() {
    let plain = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (_client, server) = accepted(&Listener::Tcp(plain.try_clone().expect("a descriptor")));
    assert!(!SockRef::from(&server).tcp_nodelay().expect("an option"), "what the kernel does by itself");
    let inherited = Listener::from_fd(plain.into()).expect("it listens");
    for listener in [inherited, tcp(Some(Ipv4Addr::LOCALHOST.into()), 0).expect("a port")] {
        let (_client, server) = accepted(&listener);
        let server = SockRef::from(&server);
        assert!(server.tcp_nodelay().expect("an option"));
        assert_eq!(server.tcp_notsent_lowat().expect("an option"), AHEAD);
    }
}

#[test]
fn an_inherited_descriptor_must_listen_for_streams() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.sock");
    let own = UnixListener::bind(&path).expect("bound");
    let listener = Listener::from_fd(own.try_clone().expect("a descriptor").into()).expect("it listens");
    assert_eq!(listener.address().expect("an address"), BoundAddress::Unix(path.clone()));
    let Listener::Unix(inherited) = &listener else { panic!("it is a Unix socket") };
    assert_eq!(inherited.accept().expect_err("nobody comes").kind(), io::ErrorKind::WouldBlock);
    let mut client = UnixStream::connect(&path).expect("it listens");
    client.write_all(b"x").expect("sent");
    let (mut server, _) = inherited.accept().expect("a client");
    assert_eq!(server.read(&mut [0; 2]).expect("an octet"), 1);
    let file: OwnedFd = File::open(folder.path()).expect("a folder").into();
    let datagrams = Socket::new(Domain::UNIX, Type::DGRAM, None).expect("a socket");
    let idle = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    for (fd, why) in [
        (file, "no socket"),
        (datagrams.into(), "no stream socket"),
        (idle.into(), "does not listen"),
        (client.into(), "does not listen"),
    ] {
        let told = Listener::from_fd(fd).expect_err("refused").to_string();
        assert!(told.contains(why), "{told}");
    }
}
