//! What the head of an answer says of the octets of its body: how they are packed, and the charset of its text.

use std::borrow::Cow;

use skitai_wire::{Charset, charset};

/// How the body is packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Packing {
    #[default]
    None,
    Gzip,
    /// In a coding that is not read here, or in several: the words of the head.
    Unread(String),
}

/// The form of one body.
#[derive(Debug, Default)]
pub(super) struct BodyForm {
    pub(super) packing: Packing,
    /// The charset's label. UTF-8's, which nearly all have, is no allocation.
    pub(super) charset: Option<Cow<'static, str>>,
}

impl BodyForm {
    /// Takes in a header line.
    pub(super) fn learn(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("content-encoding") {
            String::from_utf8_lossy(value).split(',').for_each(|coding| self.packed_as(coding.trim()));
        } else if name.eq_ignore_ascii_case("content-type")
            && let Ok(value) = std::str::from_utf8(value)
            && let Some(label) = charset::of_type(value)
        {
            let is_utf8 = Charset::named(label) == Some(Charset::UTF8);
            self.charset = Some(if is_utf8 { Cow::Borrowed("utf-8") } else { Cow::Owned(label.to_owned()) });
        }
    }

    fn packed_as(&mut self, coding: &str) {
        let is = |known: &[&str]| known.iter().any(|known| coding.eq_ignore_ascii_case(known));
        if is(&["", "identity"]) {
            return;
        }
        self.packing = match std::mem::take(&mut self.packing) {
            Packing::None if is(&["gzip", "x-gzip"]) => Packing::Gzip,
            Packing::None => Packing::Unread(coding.to_owned()),
            Packing::Gzip => Packing::Unread(format!("gzip, {coding}")),
            Packing::Unread(before) => Packing::Unread(format!("{before}, {coding}")),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_how_its_body_is_packed() {
        let unread = |words: &str| Packing::Unread(words.to_owned());
        for (lines, packing) in [
            (&[][..], Packing::None),
            (&["identity"], Packing::None),
            (&[""], Packing::None),
            (&["gzip"], Packing::Gzip),
            (&["X-GZip"], Packing::Gzip),
            (&["identity, gzip"], Packing::Gzip),
            (&["br"], unread("br")),
            (&["deflate"], unread("deflate")),
            (&["gzip, br"], unread("gzip, br")),
            (&["gzip", "gzip"], unread("gzip, gzip")),
            (&["zstd", "gzip"], unread("zstd, gzip")),
        ] {
            let mut form = BodyForm::default();
            lines.iter().for_each(|line| form.learn("Content-Encoding", line.as_bytes()));
            assert_eq!(form.packing, packing, "{lines:?}");
        }
    }

    #[test]
    fn a_head_names_the_charset() {
        for (value, label) in [
            ("text/xml; charset=ISO-8859-1", Some("ISO-8859-1")),
            ("text/xml; charset=UTF8", Some("utf-8")),
            ("text/xml; charset=us-ascii", Some("utf-8")),
            ("text/xml", None),
            ("text/xml; charset=utf-7", Some("utf-7")),
        ] {
            let mut form = BodyForm::default();
            form.learn("content-type", value.as_bytes());
            assert_eq!(form.charset.as_deref(), label, "{value}");
        }
    }
}
