//! `Accept-Encoding`: which codings a client reads, the one it likes best first (RFC 9110, 12.5.3).

use actix_web::http::header::HeaderValue;

use crate::app::Request;

/// A coding of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All of them; of those that a client likes as much, the one that makes a file smallest first.
    pub(super) const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// Its name in a head.
    pub(super) fn word(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    pub(super) fn to_header(self) -> HeaderValue {
        HeaderValue::from_static(self.word())
    }

    /// What the names of files in this coding end with.
    pub(super) fn ending(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    fn named(name: &str) -> Option<Coding> {
        match &*name.to_ascii_lowercase() {
            "br" => Some(Coding::Brotli),
            "zstd" => Some(Coding::Zstd),
            "gzip" | "x-gzip" => Some(Coding::Gzip),
            _ => None,
        }
    }
}

/// How much a client likes each of [`Coding::ALL`], in thousandths; 0 for one that it does not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted([u16; 3]);

impl Accepted {
    /// Those of a request. Without the header it is none: many programs read no coding and send no header.
    pub(super) fn of(request: &Request) -> Accepted {
        let header = request.headers.get(actix_web::http::header::ACCEPT_ENCODING);
        header.and_then(|value| value.to_str().ok()).map_or(Accepted::default(), Accepted::read)
    }

    fn read(text: &str) -> Accepted {
        // In thousandths; `None` for what is not named.
        let mut weights: [Option<u16>; 3] = [None; 3];
        let mut others = None;
        for entry in text.split(',') {
            let mut parts = entry.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weight = parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| weight(value.trim()))
            });
            let weight = weight.unwrap_or(1000);
            if name == "*" {
                others = Some(weight);
            } else if let Some(coding) = Coding::named(name) {
                weights[coding as usize] = Some(weight);
            }
        }
        Accepted(weights.map(|weight| weight.or(others).unwrap_or(0)))
    }

    fn weight_of(self, coding: Coding) -> u16 {
        self.0[coding as usize]
    }

    /// The best one of some, of which the first counts more where a client likes several as much.
    pub(super) fn best_of(self, some: &[Coding]) -> Option<Coding> {
        let (best, weight) =
            some.iter().rev().map(|coding| (*coding, self.weight_of(*coding))).max_by_key(|(_, w)| *w)?;
        (weight > 0).then_some(best)
    }

    /// The best one first.
    pub(super) fn iter(self) -> impl Iterator<Item = Coding> {
        let mut liked = Coding::ALL;
        liked.sort_by_key(|coding| std::cmp::Reverse(self.weight_of(*coding)));
        liked.into_iter().filter(move |coding| self.has(*coding))
    }

    pub(super) fn has(self, coding: Coding) -> bool {
        self.weight_of(coding) > 0
    }
}

/// A weight in thousandths. One that is none is 0: who writes it wrongly gets what anybody can read.
fn weight(text: &str) -> u16 {
    let read = text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1000")]
    read.map_or(0, |weight| (weight * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_likes_best_comes_first() {
        let read = |text: &str| Accepted::read(text).iter().map(Coding::word).collect::<Vec<_>>().join(" ");
        for (text, expected) in [
            ("gzip, deflate, br, zstd", "br zstd gzip"),
            ("gzip;q=1.0, br;q=0.5", "gzip br"),
            ("br;q=0, *", "zstd gzip"),
            ("identity;q=1, *;q=0", ""),
            ("GZIP ; Q=0.1", "gzip"),
            ("gzip;q=2", ""),
            ("gzip;q=nan", ""),
            ("gzip;q", "gzip"),
            ("x-gzip", "gzip"),
            ("", ""),
            ("gzipp, ,;q=1", ""),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
