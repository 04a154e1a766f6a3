//! Server-sent events: the text of one event, as the HTML standard defines it (9.2, "server-sent events").

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::app::error::{Error, Result};

/// The name and the data's key of the event that ends every stream.
pub(crate) const END: &str = "end";
/// The id of that event. A browser that connects again sends it as `Last-Event-ID`, and gets 204, which tells it to
/// stop.
pub(crate) const END_ID: &str = "$end";
/// A comment, which readers ignore. It keeps proxies from closing a connection on which nothing comes.
pub(crate) const COMMENT: &[u8] = b":\n\n";

/// One server-sent event, for [`Streaming::events`](crate::app::Streaming::events).
///
/// ```
/// # use skitai::prelude::*;
/// # let score = 3;
/// let goal = Event::json(&score).named("goal").id("17").retry(secs(2));
/// ```
#[derive(Debug)]
#[must_use = "an event that is not part of a stream is never sent"]
pub struct Event {
    data: Result<String>,
    name: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

impl Event {
    /// An event whose data is this value as JSON.
    pub fn json(data: &(impl Serialize + ?Sized)) -> Event {
        let text = skitai_wire::json::to_vec(data).map_err(Error::internal);
        Event::of(text.and_then(|text| String::from_utf8(text).map_err(Error::internal)))
    }

    /// An event whose data is this text, of one line or several.
    pub fn text(data: impl Into<String>) -> Event {
        Event::of(Ok(data.into()))
    }

    fn of(data: Result<String>) -> Event {
        Event { data, name: None, id: None, retry: None }
    }

    /// Sets the event's type: a browser passes it to the listeners of this name. Default: `message`. `end` is the
    /// server's own.
    pub fn named(mut self, name: impl Into<String>) -> Event {
        self.name = Some(name.into());
        self
    }

    /// Sets the id that a browser sends as `Last-Event-ID` when it connects again after this event.
    pub fn id(mut self, id: impl Into<String>) -> Event {
        self.id = Some(id.into());
        self
    }

    /// Sets how long a browser waits before it connects again.
    pub fn retry(mut self, after: Duration) -> Event {
        self.retry = Some(after);
        self
    }

    /// The event's text.
    ///
    /// # Errors
    /// If the data cannot be written as JSON, or if name or id have a line break, which would begin another field.
    pub(crate) fn written(self) -> Result<Bytes> {
        let mut text = String::new();
        for (field, value) in [("event", self.name), ("id", self.id)] {
            let Some(value) = value else { continue };
            if value.contains(['\n', '\r', '\0']) {
                return Err(Error::internal(format!(
                    "the {field} of a server-sent event has a line break or a NUL: {value:?}"
                )));
            }
            text.push_str(&format!("{field}: {value}\n"));
        }
        if let Some(retry) = self.retry {
            text.push_str(&format!("retry: {}\n", retry.as_millis()));
        }
        // A lone carriage return ends a line, too.
        for line in self.data?.replace("\r\n", "\n").split(['\n', '\r']) {
            text.push_str(&format!("data: {line}\n"));
        }
        text.push('\n');
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(event: Event) -> String {
        String::from_utf8(event.written().expect("an event").to_vec()).expect("UTF-8")
    }

    #[test]
    fn an_event_has_its_fields_and_every_line_is_data() {
        assert_eq!(text(Event::json(&("a", "b\nc"))), "data: [\"a\",\"b\\nc\"]\n\n");
        let all = Event::text("one\r\ntwo\rthree\n").named("goal").id("7").retry(Duration::from_millis(1_500));
        assert_eq!(text(all), "event: goal\nid: 7\nretry: 1500\ndata: one\ndata: two\ndata: three\ndata: \n\n");
        assert_eq!(text(Event::text("")), "data: \n\n");
    }

    #[test]
    fn no_field_can_begin_another() {
        for value in ["a\ndata: forged", "a\rb", "a\0"] {
            assert!(Event::text("x").named(value).written().is_err(), "{value:?}");
            assert!(Event::text("x").id(value).written().is_err(), "{value:?}");
        }
        struct Unwritable;
        impl Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no form"))
            }
        }
        assert!(Event::json(&Unwritable).written().is_err());
    }
}
