//! A Unix socket with messages on it.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest message: a status tree of a large site has some 100 KiB.
const LONGEST: usize = 16 * 1024 * 1024;
/// The most descriptors of one message. The kernel's limit is 253.
pub(crate) const MAX_DESCRIPTORS: usize = 200;
/// How many octets are read at a time.
const CHUNK: usize = 64 * 1024;

/// Why a message did not come.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the other side has closed the line")]
    Ended,
    #[error("a message of {length} octets, where {longest} are the most")]
    TooLong { length: usize, longest: usize },
    #[error("a message that is none: {0}")]
    Garbled(#[from] serde_json::Error),
}

impl LineError {
    /// Whether the other side has closed the line.
    pub(crate) fn is_of_the_other_side(&self) -> bool {
        match self {
            LineError::Ended => true,
            LineError::Io(error) => matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
            LineError::TooLong { .. } | LineError::Garbled(_) => false,
        }
    }
}

/// What was on a line between the socket and who reads and writes messages: for a program that takes the line over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Unread {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// One end of a connection between two processes.
#[derive(Debug)]
pub(crate) struct Line {
    socket: UnixStream,
    // Buffers whose beginning goes without moving the rest: a process that stood still has megabytes to come.
    input: BytesMut,
    /// Descriptors that came and belong to a message that is not read yet.
    came: Vec<OwnedFd>,
    output: BytesMut,
    /// The longest message that is read.
    longest: usize,
    has_ended: bool,
}

impl From<UnixStream> for Line {
    fn from(socket: UnixStream) -> Line {
        Line {
            socket,
            input: BytesMut::new(),
            came: Vec::new(),
            output: BytesMut::new(),
            longest: LONGEST,
            has_ended: false,
        }
    }
}

impl Line {
    /// The line on the standard input of this process, which its parent has put there. Nothing else reads from it.
    pub(crate) fn on_stdin() -> io::Result<Line> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Fails for a terminal or a file.
        socket.peer_addr()?;
        Ok(Line::from(socket))
    }

    /// The same, which reads no longer messages than this. What comes beside them is closed.
    pub(crate) fn with_longest(self, longest: usize) -> Line {
        Line { longest, ..self }
    }

    /// The line that another program had, with what it had not read and sent.
    pub(crate) fn resumed(socket: UnixStream, unread: Unread) -> Line {
        let mut line = Line::from(socket);
        line.resume(unread);
        line
    }

    /// Goes on with what another program had not read and sent; this one has not read or sent anything.
    pub(crate) fn resume(&mut self, Unread { input, output }: Unread) {
        (self.input, self.output) = (BytesMut::from(&*input), BytesMut::from(&*output));
    }

    pub(crate) fn unread(&self) -> Unread {
        Unread { input: self.input.to_vec(), output: self.output.to_vec() }
    }

    pub(crate) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Appends a message to the output, which [`flush`](Line::flush) sends.
    pub(crate) fn queue(&mut self, message: &impl Serialize) -> Result<(), LineError> {
        self.output.extend(framed(message)?);
        Ok(())
    }

    /// How many octets wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.output.len()
    }

    /// Whether output waits.
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Sends as much output as the socket takes. After an error nobody will read the rest, which goes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match (&self.socket).write(&self.output) {
                Ok(sent) => self.output.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.output.clear();
                    return Err(error);
                }
            }
        }
        if self.output.is_empty() {
            // Its memory goes, too.
            self.output = BytesMut::new();
        }
        Ok(())
    }

    /// Sends a message with descriptors beside it, and the output that waits. What the socket does not take at once is
    /// sent later; if it takes nothing, this fails, and the message is not sent.
    pub(crate) fn hand_over(&mut self, message: &impl Serialize, handed: &[BorrowedFd<'_>]) -> Result<(), LineError> {
        let waited = self.output.len();
        self.output.extend(framed(message)?);
        match send_with(&self.socket, &self.output, handed) {
            // Descriptors arrive with the first octet: not later than their message, and in the order of messages.
            Ok(sent) => self.output.advance(sent),
            Err(error) => {
                self.output.truncate(waited);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Whether more can be read: it has not ended, and what has come is not longer than one message.
    pub(crate) fn reads(&self) -> bool {
        !self.has_ended && self.input.len() <= self.longest + 4
    }

    /// Sends a message with any number of descriptors: more messages follow it, which say nothing and bear them. Who
    /// reads it calls [`wait_descriptors`](Line::wait_descriptors).
    pub(crate) fn hand_over_all(
        &mut self,
        message: &impl Serialize,
        handed: &[BorrowedFd<'_>],
    ) -> Result<(), LineError> {
        let (first, rest) = handed.split_at(handed.len().min(MAX_DESCRIPTORS));
        self.hand_over(message, first)?;
        rest.chunks(MAX_DESCRIPTORS).try_for_each(|some| self.hand_over(&(), some))
    }

    /// Waits until so many descriptors have come.
    pub(crate) fn wait_descriptors(&mut self, count: usize) -> Result<(), LineError> {
        while self.came.len() < count {
            self.wait::<()>()?;
        }
        Ok(())
    }

    /// Reads what has come, without waiting on a socket that does not block.
    pub(crate) fn fill(&mut self) -> io::Result<()> {
        while self.reads() {
            match self.read_some() {
                Ok(0) => self.has_ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next message that has come whole; `None` until then, and [`LineError::Ended`] after the last.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LineError> {
        let Some((head, rest)) = self.input.split_first_chunk() else { return self.none() };
        let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
        if length > self.longest {
            return Err(LineError::TooLong { length, longest: self.longest });
        }
        let Some(octets) = rest.get(..length) else { return self.none() };
        let message = serde_json::from_slice(octets);
        self.input.advance(4 + length);
        Ok(Some(message?))
    }

    fn none<T>(&self) -> Result<Option<T>, LineError> {
        if self.has_ended { Err(LineError::Ended) } else { Ok(None) }
    }

    /// Waits for the next message, at most until the socket's read timeout.
    pub(crate) fn wait<T: DeserializeOwned>(&mut self) -> Result<T, LineError> {
        loop {
            if let Some(message) = self.next()? {
                return Ok(message);
            }
            match self.read_some() {
                Ok(0) => self.has_ended = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a message and waits until it is in the socket's buffer.
    pub(crate) fn say(&mut self, message: &impl Serialize) -> Result<(), LineError> {
        Ok((&self.socket).write_all(&framed(message)?)?)
    }

    /// Sets how long [`wait`](Line::wait) and [`say`](Line::say) may take; `None` for no limit.
    pub(crate) fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(patience)?;
        self.socket.set_write_timeout(patience)
    }

    /// Takes the first `count` descriptors that came.
    pub(crate) fn take_descriptors(&mut self, count: usize) -> Vec<OwnedFd> {
        self.came.drain(..count.min(self.came.len())).collect()
    }

    /// Closes the descriptors that came, where none belong to a message.
    pub(crate) fn drop_descriptors(&mut self) {
        self.came.clear();
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let start = self.input.len();
        self.input.resize(start + CHUNK, 0);
        let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut room);
        let received = rustix::net::recvmsg(
            &self.socket,
            &mut [IoSliceMut::new(&mut self.input[start..])],
            &mut beside,
            // A process that is started meanwhile must not get them.
            RecvFlags::CMSG_CLOEXEC,
        );
        let count = received.as_ref().map_or(0, |message| message.bytes);
        self.input.truncate(start + count);
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.came.extend(descriptors);
            }
        }
        received?;
        Ok(count)
    }
}

fn framed(message: &impl Serialize) -> Result<Vec<u8>, LineError> {
    let mut octets = vec![0; 4];
    serde_json::to_writer(&mut octets, message)?;
    let length = octets.len() - 4;
    let too_long = LineError::TooLong { length, longest: LONGEST };
    if length > LONGEST {
        return Err(too_long);
    }
    let head = u32::try_from(length).map_err(|_| too_long)?;
    octets[..4].copy_from_slice(&head.to_be_bytes());
    Ok(octets)
}

/// Sends octets with descriptors beside the first of them; returns how many octets were taken.
fn send_with(socket: &UnixStream, octets: &[u8], handed: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut beside = SendAncillaryBuffer::new(&mut room);
    if !handed.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(handed)) {
        return Err(io::Error::other(format!("{} descriptors, where {MAX_DESCRIPTORS} are the most", handed.len())));
    }
    Ok(rustix::net::sendmsg(socket, &[IoSlice::new(octets)], &mut beside, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn pair() -> (Line, Line) {
        let (here, there) = UnixStream::pair().expect("a pair of sockets");
        there.set_nonblocking(true).expect("it has that mode");
        (here.into(), there.into())
    }

    #[test]
    fn messages_come_whole_and_in_order() {
        let (mut here, mut there) = pair();
        let long = "x".repeat(100_000);
        for text in ["", "one", &long] {
            here.queue(&text).expect("it is short");
        }
        let mut came = Vec::new();
        while came.len() < 3 {
            here.flush().expect("the other side is there");
            there.fill().expect("the other side is there");
            came.extend(there.next::<String>().expect("a text"));
        }
        assert_eq!(came, ["".to_owned(), "one".to_owned(), long]);
        assert!(there.next::<String>().expect("no fault").is_none());
        drop(here);
        there.fill().expect("an end is no fault");
        assert!(matches!(there.next::<String>(), Err(LineError::Ended)));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (octets, wrong) in [
            (&[0xff, 0xff, 0xff, 0xff][..], "a message of 4294967295 octets, where 16777216 are the most"),
            (&[0, 0, 0, 1, b'{'], "a message that is none: "),
            (&[0, 0, 0, 2, b'1', b'2'], "a message that is none: invalid type: integer `12`, expected a string"),
            (&[0, 0, 0, 2, 0xc3, 0x28], "a message that is none: "),
        ] {
            let (here, mut there) = pair();
            (&here.socket).write_all(octets).expect("the other side is there");
            there.fill().expect("octets are no fault");
            let error = there.next::<String>().expect_err("it is no text").to_string();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn descriptors_come_beside_their_message() {
        let (mut here, mut there) = pair();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"inherited").expect("there is room");
        file.rewind().expect("it is a file");
        here.hand_over(&"two of them", &[file.as_fd(), file.as_fd()]).expect("the other side is there");
        there.fill().expect("the other side is there");
        assert_eq!(there.next::<String>().expect("a text").as_deref(), Some("two of them"));
        let mut came = there.take_descriptors(5);
        assert_eq!(came.len(), 2);
        let mut text = String::new();
        std::fs::File::from(came.remove(0)).read_to_string(&mut text).expect("it is open");
        assert_eq!(text, "inherited");
    }

    #[test]
    fn any_number_of_descriptors_comes_over() {
        let (mut here, mut there) = pair();
        let file = tempfile::tempfile().expect("a file");
        let handed = vec![file.as_fd(); 2 * MAX_DESCRIPTORS + 50];
        here.hand_over_all(&"many", &handed).expect("the other side is there");
        assert!(!here.has_output());
        there.socket.set_nonblocking(false).expect("it has that mode");
        assert_eq!(there.wait::<String>().expect("a text"), "many");
        there.wait_descriptors(handed.len()).expect("they follow");
        assert_eq!(there.take_descriptors(handed.len()).len(), handed.len());
    }

    #[test]
    fn a_side_that_does_not_read_stops_nobody() {
        let (mut here, _there) = pair();
        here.socket.set_nonblocking(true).expect("it has that mode");
        for _ in 0..100 {
            here.queue(&"x".repeat(100_000)).expect("it is short");
            here.flush().expect("a full buffer is no fault");
        }
        assert!(here.has_output());
    }
}
