//! One rule: fixed text and placeholders, matched against a whole path.

use percent_encoding::percent_decode_str;
use skitai_wire::Value;

/// A piece of a rule.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Fixed(String),
    Placeholder(Converter, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Converter {
    Text,
    Int,
    Float,
    Path,
}

/// A parsed rule.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    pub(crate) fn parse(rule: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut rest = rule;
        while let Some(open) = rest.find('<') {
            let close = rest[open..].find('>').ok_or("a `<` without its `>`")? + open;
            if open > 0 {
                pieces.push(Piece::Fixed(rest[..open].to_owned()));
            } else if matches!(pieces.last(), Some(Piece::Placeholder(..))) {
                return Err("two placeholders stand side by side; put a `/` between them".to_owned());
            }
            let (kind, name) = rest[open + 1..close].split_once(':').unwrap_or(("", &rest[open + 1..close]));
            let converter = match kind {
                "" | "string" => Converter::Text,
                "int" => Converter::Int,
                "float" => Converter::Float,
                "path" => Converter::Path,
                other => return Err(format!("`{other}` is not a kind of placeholder")),
            };
            pieces.push(Piece::Placeholder(converter, name.to_owned()));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Fixed(rest.to_owned()));
        }
        Ok(Pattern { pieces })
    }

    /// True for a rule without placeholders.
    pub(crate) fn is_exact(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece, Piece::Fixed(_)))
    }

    /// The fixed segments joined by dots: `/company/<int:cid>` is `company`; `/` is `index`.
    pub(crate) fn rpc_name(&self) -> String {
        let fixed = self.pieces.iter().filter_map(|piece| match piece {
            Piece::Fixed(text) => Some(text.as_str()),
            Piece::Placeholder(..) => None,
        });
        let segments: Vec<&str> =
            fixed.flat_map(|text| text.split('/')).filter(|segment| !segment.is_empty()).collect();
        if segments.is_empty() { "index".to_owned() } else { segments.join(".") }
    }

    /// The placeholders' values if the whole path matches. Placeholders of numbers give numbers.
    pub(crate) fn matches(&self, path: &str) -> Option<Vec<(String, Value)>> {
        let mut values = Vec::new();
        walk(&self.pieces, path, &mut values).then_some(values)
    }
}

/// Matches piece by piece. A placeholder takes as much as it may and gives back until the rest fits; a rule has few
/// pieces and a path is bounded, so this stays cheap.
fn walk(pieces: &[Piece], path: &str, values: &mut Vec<(String, Value)>) -> bool {
    match pieces {
        [] => path.is_empty(),
        [Piece::Fixed(text), rest @ ..] => {
            path.strip_prefix(text.as_str()).is_some_and(|path| walk(rest, path, values))
        }
        [Piece::Placeholder(converter, name), rest @ ..] => {
            let longest = if *converter == Converter::Path { path.len() } else { path.find('/').unwrap_or(path.len()) };
            // Only the ends that the next fixed text allows need trying.
            let next = match rest.first() {
                Some(Piece::Fixed(text)) => Some(text.as_str()),
                _ => None,
            };
            let ends: Box<dyn Iterator<Item = usize>> = match next {
                None => Box::new(std::iter::once(longest)),
                Some(text) => Box::new(path.rmatch_indices(text).map(|(at, _)| at).filter(move |&at| at <= longest)),
            };
            for end in ends {
                let Some(value) = convert(*converter, &path[..end]) else { continue };
                let kept = values.len();
                values.push((name.clone(), value));
                if walk(rest, &path[end..], values) {
                    return true;
                }
                values.truncate(kept);
            }
            false
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
        Converter::Text | Converter::Path => {
            // A `+` is a blank here as it is in a query: links of the original are written so.
            let blanks = text.replace('+', " ");
            Some(Value::String(percent_decode_str(&blanks).decode_utf8().ok()?.into_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(rule: &str, path: &str) -> Option<Vec<Value>> {
        let values = Pattern::parse(rule).expect("a good rule").matches(path)?;
        Some(values.into_iter().map(|(_, value)| value).collect())
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    #[test]
    fn placeholders_take_what_their_kind_says() {
        assert_eq!(
            matched("/company/<int:cid>/<cname>", "/company/555/Skitai+Corp"),
            Some(vec![Value::Int(555), text("Skitai Corp")])
        );
        assert_eq!(matched("/a/<int:x>", "/a/-7"), Some(vec![Value::Int(-7)]));
        assert_eq!(matched("/f/<float:x>", "/f/1.5"), Some(vec![Value::Double(1.5)]));
        assert_eq!(matched("/f/<float:x>", "/f/3"), Some(vec![Value::Double(3.0)]));
        assert_eq!(matched("/p/<path:p>", "/p/a/b/c.txt"), Some(vec![text("a/b/c.txt")]));
        assert_eq!(matched("/p/<path:p>/end", "/p/a/end/end"), Some(vec![text("a/end")]));
        assert_eq!(matched("/u/<name>.json", "/u/x.y.json"), Some(vec![text("x.y")]));
        assert_eq!(matched("/u/<name>", "/u/%ED%95%9C%2F1"), Some(vec![text("한/1")]));
    }

    #[test]
    fn what_does_not_fit_does_not_match() {
        for (rule, path) in [
            ("/a/<int:x>", "/a/x"),
            ("/a/<int:x>", "/a/99999999999999999999"),
            ("/a/<int:x>", "/a/"),
            ("/a/<int:x>", "/zzz/a/1"),
            ("/a/<int:x>", "/a/1/b"),
            ("/f/<float:x>", "/f/1.2.3"),
            ("/f/<float:x>", "/f/."),
            ("/u/<name>", "/u/a/b"),
            ("/u/<name>", "/u/%ff"),
        ] {
            assert_eq!(matched(rule, path), None, "{rule} against {path}");
        }
    }

    #[test]
    fn rpc_names_are_the_fixed_segments() {
        let name = |rule: &str| Pattern::parse(rule).expect("a good rule").rpc_name();
        assert_eq!(name("/hello"), "hello");
        assert_eq!(name("/test/hello/world"), "test.hello.world");
        assert_eq!(name("/company/<int:cid>/<cname>"), "company");
        assert_eq!(name("/"), "index");
    }

    #[test]
    fn rules_that_cannot_work_are_refused() {
        assert!(Pattern::parse("/a/<b").is_err());
        assert!(Pattern::parse("/a/<b><c>").is_err());
        assert!(Pattern::parse("/a/<uuid:b>").is_err());
    }
}
