//! One rule: fixed text and placeholders, matched with a whole path.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode_str;
use skitai_wire::Value;

/// A piece of a rule.
#[derive(Clone, Debug, PartialEq)]
enum PatternPiece {
    Fixed(String),
    Placeholder(Converter, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Converter {
    Text,
    Int,
    Float,
    /// One segment, in which a `+` is a `+`.
    Raw,
    Path,
}

impl Converter {
    /// Its name in a rule, with the colon.
    fn prefix(self) -> &'static str {
        match self {
            Converter::Text => "",
            Converter::Int => "int:",
            Converter::Float => "float:",
            Converter::Raw => "raw:",
            Converter::Path => "path:",
        }
    }

    /// A description of the values it accepts.
    fn takes(self) -> &'static str {
        match self {
            Converter::Text | Converter::Raw | Converter::Path => "a text that is not empty",
            Converter::Int => "a whole number",
            Converter::Float => "a number",
        }
    }
}

/// Why a text is not a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("a `<` without its `>`")]
    Unclosed,
    #[error("two placeholders stand side by side; put a `/` between them")]
    SideBySide,
    #[error("`{0}` is not a kind of placeholder")]
    UnknownKind(String),
}

/// Why a rule has no path with these values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("`{name}` must be {takes}, got \"{text}\"")]
    WrongKind { name: String, takes: &'static str, text: String },
    #[error("no client would ask for {0} as it stands: a segment of dots leads elsewhere")]
    Dots(String),
    #[error("its placeholders would be read from {0} as other values")]
    Ambiguous(String),
}

/// A parsed rule.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pieces: Vec<PatternPiece>,
}

impl Pattern {
    pub(crate) fn parse(rule: &str) -> Result<Pattern, PatternError> {
        let mut pieces = Vec::new();
        let mut rest = rule;
        while let Some(open) = rest.find('<') {
            let close = rest[open..].find('>').ok_or(PatternError::Unclosed)? + open;
            if open > 0 {
                pieces.push(PatternPiece::Fixed(fixed(&rest[..open])));
            } else if matches!(pieces.last(), Some(PatternPiece::Placeholder(..))) {
                return Err(PatternError::SideBySide);
            }
            let (kind, name) = rest[open + 1..close].split_once(':').unwrap_or(("", &rest[open + 1..close]));
            let converter = match kind {
                "" | "string" => Converter::Text,
                "int" => Converter::Int,
                "float" => Converter::Float,
                "raw" => Converter::Raw,
                "path" => Converter::Path,
                other => return Err(PatternError::UnknownKind(other.to_owned())),
            };
            pieces.push(PatternPiece::Placeholder(converter, name.to_owned()));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(PatternPiece::Fixed(fixed(rest)));
        }
        Ok(Pattern { pieces })
    }

    /// True for a rule without placeholders.
    pub(crate) fn is_exact(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, PatternPiece::Fixed(_)))
    }

    /// The fixed segments joined by dots: `/company/<int:cid>` is `company`; `/` is `index`.
    pub(crate) fn rpc_name(&self) -> String {
        let fixed = self.pieces.iter().filter_map(|piece| match piece {
            PatternPiece::Fixed(text) => Some(text.as_str()),
            PatternPiece::Placeholder(..) => None,
        });
        let segments: Vec<&str> =
            fixed.flat_map(|text| text.split('/')).filter(|segment| !segment.is_empty()).collect();
        if segments.is_empty() {
            "index".to_owned()
        } else {
            percent_decode_str(&segments.join(".")).decode_utf8_lossy().into_owned()
        }
    }

    /// The rule in the form in which paths are compared: the whole text of an exact rule.
    pub(crate) fn as_path(&self) -> String {
        self.pieces.iter().map(|piece| if let PatternPiece::Fixed(text) = piece { text.as_str() } else { "" }).collect()
    }

    /// The names of the placeholders for integers and floats.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            PatternPiece::Placeholder(Converter::Int | Converter::Float, name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The names of the placeholders.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            PatternPiece::Placeholder(_, name) => Some(name.as_str()),
            PatternPiece::Fixed(_) => None,
        })
    }

    /// Makes the path on which this rule matches these values. `value` returns the text for the name of a placeholder.
    /// The error names the placeholder that cannot take its value.
    pub(crate) fn fill<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, FillError> {
        let mut expected = Vec::new();
        for piece in &self.pieces {
            if let PatternPiece::Placeholder(converter, name) = piece {
                let text = value(name).ok_or_else(|| FillError::Missing(name.clone()))?;
                let Some(value) = read(*converter, text) else {
                    let (name, takes, text) = (name.clone(), converter.takes(), text.to_owned());
                    return Err(FillError::WrongKind { name, takes, text });
                };
                expected.push((name.clone(), value));
            }
        }
        let path = self.written(|name| value(name).unwrap_or_default());
        // Clients resolve these segments before they send a request, so the link would never match.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(FillError::Dots(path));
        }
        // Ambiguous: for example `<a>-<b>` with values that contain a dash.
        if self.matches(&canonical(&path)).is_none_or(|found| found != expected) {
            return Err(FillError::Ambiguous(path));
        }
        Ok(path)
    }

    /// The rule with these texts, escaped, in place of its placeholders, without a check that it would match.
    pub(crate) fn written<S: AsRef<str>>(&self, value: impl Fn(&str) -> S) -> String {
        self.written_as_far(|name| Some(value(name)))
    }

    /// The same, with a placeholder as the author wrote it where there is no text.
    pub(crate) fn written_as_far<S: AsRef<str>>(&self, value: impl Fn(&str) -> Option<S>) -> String {
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                PatternPiece::Fixed(text) => path.push_str(text),
                PatternPiece::Placeholder(converter, name) => match value(name) {
                    Some(text) => {
                        // Only the value of a `<path:>` may contain a slash as a separator.
                        let is_path = *converter == Converter::Path;
                        let unescaped = if is_path { UNRESERVED_AND_SLASH } else { UNRESERVED_ALONE };
                        path.extend(percent_encoding::utf8_percent_encode(text.as_ref(), unescaped));
                    }
                    None => path.extend(["<", converter.prefix(), name, ">"]),
                },
            }
        }
        path
    }

    /// The placeholders' values if the whole path (in [`canonical`] form) matches. Placeholders for numbers return
    /// numbers.
    pub(crate) fn matches(&self, path: &str) -> Option<Vec<(String, Value)>> {
        let mut spans = Vec::new();
        let mut tries = TRIES;
        if !walk(&self.pieces, path, 0, &mut spans, &mut tries) {
            return None;
        }
        let placeholders = self.pieces.iter().filter_map(|piece| match piece {
            PatternPiece::Placeholder(converter, name) => Some((*converter, name)),
            PatternPiece::Fixed(_) => None,
        });
        let value = |((converter, name), span): ((Converter, &String), &Range<usize>)| {
            Some((name.clone(), convert(converter, &path[span.clone()])?))
        };
        placeholders.zip(&spans).map(value).collect()
    }
}

/// The characters to escape in a path: all but those of RFC 3986, 3.3, and also `+`, which means a blank here.
const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'?')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The characters that need no escape in any part of a path (RFC 3986, 2.3).
pub(crate) const UNRESERVED_ALONE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const UNRESERVED_AND_SLASH: &percent_encoding::AsciiSet = &UNRESERVED_ALONE.remove(b'/');

/// A rule's fixed text in the form that clients send: `/größe` is `/gr%C3%B6%C3%9Fe`.
pub(crate) fn fixed(text: &str) -> String {
    canonical(&percent_encoding::utf8_percent_encode(text, ESCAPED).to_string()).into_owned()
}

/// The one form in which paths are compared: no needless escapes, and the needed ones in upper case. `%2F` stays,
/// because an escaped slash separates no segments.
pub(crate) fn canonical(path: &str) -> Cow<'_, str> {
    if !path.as_bytes().contains(&b'%') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let byte = rest.get(1..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            plain.push('%');
            rest = &rest[1..];
            continue;
        };
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*,;=:@".contains(&byte) {
            plain.push(char::from(byte));
        } else {
            plain.push_str(&rest[..3].to_ascii_uppercase());
        }
        rest = &rest[3..];
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// Attempts to match one rule with one path before it counts as no match. A usual path needs a few attempts per
/// placeholder; a path of 60 000 slashes would keep a rule with two `<path:>` busy for minutes.
const TRIES: usize = 2_000;

/// Matches piece by piece from `at` on, and records the spans of the placeholders. A placeholder is greedy and
/// backtracks until the rest matches.
fn walk(pieces: &[PatternPiece], path: &str, at: usize, spans: &mut Vec<Range<usize>>, tries: &mut usize) -> bool {
    match pieces {
        [] => at == path.len(),
        [PatternPiece::Fixed(text), rest @ ..] => {
            path[at..].starts_with(text.as_str()) && walk(rest, path, at + text.len(), spans, tries)
        }
        [PatternPiece::Placeholder(converter, _), rest @ ..] => {
            let here = &path[at..];
            let longest = if *converter == Converter::Path { here.len() } else { here.find('/').unwrap_or(here.len()) };
            // Try only the ends at which the next fixed text follows.
            let Some(PatternPiece::Fixed(next)) = rest.first() else {
                return longest > 0 && longest == here.len() && fits(*converter, here) && {
                    spans.push(at..path.len());
                    true
                };
            };
            for (end, _) in here.rmatch_indices(next.as_str()).skip_while(|&(end, _)| end > longest) {
                let Some(left) = tries.checked_sub(1) else { return false };
                *tries = left;
                if end == 0 || !fits(*converter, &here[..end]) {
                    continue;
                }
                let length = spans.len();
                spans.push(at..at + end);
                if walk(rest, path, at + end, spans, tries) {
                    return true;
                }
                spans.truncate(length);
            }
            false
        }
    }
}

/// Whether a placeholder could accept this text; a cheap check before the whole text is parsed.
fn fits(converter: Converter, text: &str) -> bool {
    match converter {
        Converter::Int | Converter::Float => convert(converter, text).is_some(),
        Converter::Text | Converter::Raw | Converter::Path => true,
    }
}

/// Parses unescaped text as a placeholder's value.
fn read(converter: Converter, text: &str) -> Option<Value> {
    match converter {
        Converter::Int | Converter::Float => convert(converter, text),
        Converter::Text | Converter::Raw | Converter::Path => {
            (!text.is_empty()).then(|| Value::String(text.to_owned()))
        }
    }
}

fn convert(converter: Converter, text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    match converter {
        Converter::Int => {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            all_digits.then(|| text.parse().ok().map(Value::Int))?
        }
        Converter::Float => {
            let plain = text.strip_prefix('-').unwrap_or(text);
            let number = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
                && plain.bytes().any(|byte| byte.is_ascii_digit());
            number.then(|| text.parse().ok().map(Value::Double))?
        }
        // A `+` is a blank here as in a query: the Python server Skitai writes its links so.
        Converter::Text => decoded(&text.replace('+', " ")),
        // Names of files and versions (`c++`, `1.0+build`) have a `+` that is one, as everywhere else in a path.
        Converter::Raw | Converter::Path => decoded(text),
    }
}

fn decoded(text: &str) -> Option<Value> {
    Some(Value::String(percent_decode_str(text).decode_utf8().ok()?.into_owned()))
}

#[cfg(test)]
mod tests;
