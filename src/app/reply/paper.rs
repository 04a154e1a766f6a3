//! Answers in JSON, each written where the one before was.
//!
//! Nobody knows how long a text will be before it is written. In room of its own it would grow several times, and each
//! time be copied to memory that was not touched for long. The paper of a thread is at hand and has the length of
//! earlier answers; what is copied from it is as large as it has to be.

use std::cell::RefCell;

use bytes::Bytes;
use serde::Serialize;
use skitai_wire::{Error, json};

/// A longer text, in bytes, is not copied: the paper goes with it, and no thread keeps one of that size.
const LONG: usize = 64 << 10;

thread_local! {
    static PAPER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A value as JSON.
pub(crate) fn written<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, Error> {
    PAPER.with(|paper| {
        let Ok(mut paper) = paper.try_borrow_mut() else {
            // While a value is written, its own code writes another.
            return json::to_vec(value).map(Bytes::from);
        };
        paper.clear();
        // Of one that was given up by a panic.
        paper.shrink_to(2 * LONG);
        let done = json::write(&mut paper, value);
        if done.is_err() || paper.len() > LONG {
            let paper = std::mem::take(&mut *paper);
            return done.map(|()| paper.into());
        }
        Ok(Bytes::copy_from_slice(&paper))
    })
}

#[cfg(test)]
mod tests {
    use serde::ser::{Error as _, SerializeSeq};
    use serde::{Serialize, Serializer};

    use super::*;

    fn kept() -> usize {
        PAPER.with(|paper| paper.borrow().capacity())
    }

    /// What it writes itself is in its text.
    struct Writes(usize);

    impl Serialize for Writes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = written(&vec![7; self.0]).map_err(S::Error::custom)?;
            serializer.serialize_str(&String::from_utf8_lossy(&inner))
        }
    }

    /// Fails behind so many entries.
    struct Fails(usize);

    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut list = serializer.serialize_seq(None)?;
            for _ in 0..self.0 {
                list.serialize_element("once more")?;
            }
            Err(S::Error::custom("it is enough"))
        }
    }

    #[test]
    fn each_text_is_whole_and_its_own() {
        let first = written(&[1, 2, 3]).expect("numbers are JSON");
        let second = written("x").expect("so is a text");
        assert_eq!((&first[..], &second[..]), (&b"[1,2,3]"[..], &b"\"x\""[..]));
        assert_eq!(&written(&Writes(2)).expect("so is this")[..], b"\"[7,7]\"");
        let error = written(&Fails(3)).expect_err("it says so");
        assert!(error.to_string().contains("it is enough"), "{error}");
        assert_eq!(&written(&()).expect("nothing is JSON")[..], b"null");
    }

    #[test]
    fn no_thread_keeps_much() {
        let text = "x".repeat(LONG);
        assert_eq!(written(&text).expect("a text is JSON").len(), LONG + 2);
        assert_eq!(kept(), 0);
        assert!(written(&Fails(LONG)).is_err());
        assert_eq!(kept(), 0);
        written(&text[..LONG / 2]).expect("a text is JSON");
        assert!((LONG / 2..=LONG * 2).contains(&kept()), "{}", kept());
    }
}
