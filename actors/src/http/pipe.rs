//! A pipe of octets between two tasks, with a bound: who writes waits while it is full, who reads while it is empty.
//!
//! It carries the bodies of requests that are passed on. Both ends know how the other one ended: a body whose writer
//! was dropped without [`finish`](PipeWriter::finish) is broken, never short.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

/// The body broke off: what came of it is not all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BrokenOff(pub String);

#[derive(Debug)]
struct PipeState {
    pieces: VecDeque<Bytes>,
    /// Octets in `pieces`.
    held: usize,
    room: usize,
    /// How the body ended, for its reader, behind what is in `pieces`.
    end: Option<Result<(), BrokenOff>>,
    has_reader: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The end that is written to.
#[derive(Debug)]
pub struct PipeWriter(Arc<Mutex<PipeState>>);

/// The end that is read.
#[derive(Debug)]
pub struct PipeReader(Arc<Mutex<PipeState>>);

/// A pipe that holds so many octets.
pub fn pipe(room: usize) -> (PipeWriter, PipeReader) {
    let state = PipeState {
        pieces: VecDeque::new(),
        held: 0,
        room: room.max(1),
        end: None,
        has_reader: true,
        reader: None,
        writer: None,
    };
    let state = Arc::new(Mutex::new(state));
    (PipeWriter(state.clone()), PipeReader(state))
}

fn lock(state: &Mutex<PipeState>) -> MutexGuard<'_, PipeState> {
    // Nothing under this lock panics; if it did, the state would still be whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The least that a piece counts, in octets.
const LEAST: usize = 128;

/// What a piece counts: that it is one takes memory, too, and bodies may come in chunks of one octet.
fn cost(piece: &Bytes) -> usize {
    piece.len().max(LEAST)
}

impl PipeWriter {
    /// Ready with the octets that there is room for; with `None` once nobody reads any more.
    pub fn poll_room(&self, context: &mut Context<'_>) -> Poll<Option<usize>> {
        let mut state = lock(&self.0);
        if !state.has_reader {
            return Poll::Ready(None);
        }
        // Registered in any case: a writer with room wants to know, too, when its reader leaves.
        if !state.writer.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            state.writer = Some(context.waker().clone());
        }
        if state.held >= state.room { Poll::Pending } else { Poll::Ready(Some(state.room - state.held)) }
    }

    /// Adds a piece, even beyond the room.
    pub fn push(&self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        let reader = {
            let mut state = lock(&self.0);
            if !state.has_reader {
                return;
            }
            state.held += cost(&piece);
            state.pieces.push_back(piece);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The body is whole.
    pub fn finish(&self) {
        self.end(Ok(()));
    }

    /// The body is not whole, and no more of it comes.
    pub fn break_off(&self, why: &str) {
        self.end(Err(BrokenOff(why.to_owned())));
    }

    fn end(&self, end: Result<(), BrokenOff>) {
        let reader = {
            let mut state = lock(&self.0);
            state.end.get_or_insert(end);
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.break_off("its sender gave up");
    }
}

impl PipeReader {
    /// The next piece; `None` at the end of a body that is whole.
    pub fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let (piece, writer) = {
            let mut state = lock(&self.0);
            match state.pieces.pop_front() {
                Some(piece) => {
                    let was_full = state.held >= state.room;
                    state.held -= cost(&piece);
                    (piece, if was_full { state.writer.take() } else { None })
                }
                None => {
                    if let Some(end) = &state.end {
                        return Poll::Ready(end.clone().err().map(Err));
                    }
                    if !state.reader.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                        state.reader = Some(context.waker().clone());
                    }
                    return Poll::Pending;
                }
            }
        };
        if let Some(writer) = writer {
            writer.wake();
        }
        Poll::Ready(Some(Ok(piece)))
    }

    /// The whole body, if it has come to its end already and is in one piece.
    pub fn whole(&self) -> Option<Bytes> {
        let mut state = lock(&self.0);
        if state.end != Some(Ok(())) || state.pieces.len() > 1 {
            return None;
        }
        state.held = 0;
        Some(state.pieces.pop_front().unwrap_or_default())
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        let writer = {
            let mut state = lock(&self.0);
            (state.has_reader, state.held) = (false, 0);
            state.pieces.clear();
            state.writer.take()
        };
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<T>(polled: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        match polled(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_full_pipe_has_no_room_until_it_is_read() {
        let (writer, reader) = pipe(4 * LEAST);
        // Small pieces count as if they were larger.
        (0..4).for_each(|_| writer.push(Bytes::from_static(b"x")));
        assert_eq!(now(|context| writer.poll_room(context)), None);
        assert!(matches!(now(|context| reader.poll_piece(context)), Some(Some(Ok(_)))));
        assert_eq!(now(|context| writer.poll_room(context)), Some(Some(LEAST)));
        let (writer, reader) = pipe(4);
        assert_eq!(now(|context| writer.poll_room(context)), Some(Some(4)));
        writer.push(Bytes::from_static(b"abcd"));
        assert_eq!(now(|context| writer.poll_room(context)), None);
        assert_eq!(now(|context| reader.poll_piece(context)), Some(Some(Ok(Bytes::from_static(b"abcd")))));
        assert_eq!(now(|context| writer.poll_room(context)), Some(Some(4)));
        assert_eq!(now(|context| reader.poll_piece(context)), None);
        writer.finish();
        drop(writer);
        assert_eq!(now(|context| reader.poll_piece(context)), Some(None));
    }

    #[test]
    fn a_body_that_nobody_finished_is_broken() {
        let (writer, reader) = pipe(4);
        writer.push(Bytes::from_static(b"ab"));
        drop(writer);
        assert!(reader.whole().is_none());
        assert!(matches!(now(|context| reader.poll_piece(context)), Some(Some(Ok(_)))));
        assert!(matches!(now(|context| reader.poll_piece(context)), Some(Some(Err(_)))));
        let (writer, reader) = pipe(4);
        drop(reader);
        assert_eq!(now(|context| writer.poll_room(context)), Some(None));
    }
}
