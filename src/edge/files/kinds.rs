//! The content type of a file, by its name.

use std::path::Path;

/// What the table of `mime_guess`, of 2023, lacks or has from before the registration.
const OURS: [(&str, &str); 12] = [
    ("cjs", "text/javascript"),
    ("jsonl", "application/jsonl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("mjs", "text/javascript"),
    ("ndjson", "application/x-ndjson"),
    ("toml", "application/toml"),
    ("usdz", "model/vnd.usdz+zip"),
    ("wgsl", "text/wgsl"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zst", "application/zstd"),
];

/// The content type of a file.
pub(super) fn of(path: &Path) -> &'static str {
    let Some(ending) = path.extension().and_then(|ending| ending.to_str()) else { return UNKNOWN };
    known(ending).unwrap_or(UNKNOWN)
}

/// Nothing that a browser would show.
const UNKNOWN: &str = "application/octet-stream";

/// The content type by the ending of a name.
pub(super) fn known(ending: &str) -> Option<&'static str> {
    let ours = OURS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, kind)| *kind);
    ours.or_else(|| mime_guess::from_ext(ending).first_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_today_have_their_types() {
        for (name, kind) in [
            ("a.mjs", "text/javascript"),
            ("a.js", "text/javascript"),
            ("A.JS", "text/javascript"),
            ("a.wasm", "application/wasm"),
            ("a.avif", "image/avif"),
            ("a.webp", "image/webp"),
            ("a.jxl", "image/jxl"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.woff2", "font/woff2"),
            ("a.js.map", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.md", "text/markdown"),
            ("a.unheard-of", "application/octet-stream"),
            ("noending", "application/octet-stream"),
        ] {
            assert_eq!(of(Path::new(name)), kind, "{name}");
        }
    }

    /// A line that `mime_guess` has learnt goes.
    #[test]
    fn no_line_of_ours_says_what_is_known() {
        for (ending, kind) in OURS {
            assert_ne!(mime_guess::from_ext(ending).first_raw(), Some(kind), "{ending}");
        }
    }
}
