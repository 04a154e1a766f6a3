//! The style sheets, scripts and pictures of the server's own pages. Each has the hash of its content in its address,
//! so that a browser may keep it for good.

use std::sync::LazyLock;

use ring::digest::{SHA256, digest};

use crate::prelude::*;

/// A file, and the address below its app's mount.
struct OwnFile {
    name: String,
    content_type: &'static str,
    text: String,
}

/// What all pages of ours have in common: palette, type, header.
pub(crate) const BASE_STYLE: &str = include_str!("../../templates/own/base.css");
const ICON: &str = include_str!("../../templates/own/icon.svg");

static STYLE: LazyLock<OwnFile> = LazyLock::new(|| {
    OwnFile::new(
        "style",
        "css",
        "text/css; charset=utf-8",
        &[BASE_STYLE, include_str!("../../templates/status/status.css")],
    )
});
static SCRIPT: LazyLock<OwnFile> = LazyLock::new(|| {
    OwnFile::new("live", "js", "text/javascript; charset=utf-8", &[include_str!("../../templates/status/live.js")])
});
static METHODS_STYLE: LazyLock<OwnFile> = LazyLock::new(|| {
    OwnFile::new(
        "methods",
        "css",
        "text/css; charset=utf-8",
        &[BASE_STYLE, include_str!("../../templates/methods/methods.css")],
    )
});
static METHODS_SCRIPT: LazyLock<OwnFile> = LazyLock::new(|| {
    OwnFile::new(
        "methods",
        "js",
        "text/javascript; charset=utf-8",
        &[include_str!("../../templates/methods/methods.js")],
    )
});
static ICON_FILE: LazyLock<OwnFile> = LazyLock::new(|| OwnFile::new("icon", "svg", "image/svg+xml", &[ICON]));

impl OwnFile {
    fn new(stem: &str, ending: &str, content_type: &'static str, parts: &[&str]) -> OwnFile {
        let text = parts.concat();
        let hash = digest(&SHA256, text.as_bytes());
        let hash: String = hash.as_ref().iter().take(6).map(|octet| format!("{octet:02x}")).collect();
        OwnFile { name: format!("{stem}-{hash}.{ending}"), content_type, text }
    }
}

/// The addresses of the files, for the templates of the status page.
pub(super) fn of_status() -> Value {
    named("/status", &[("style", &STYLE), ("script", &SCRIPT), ("icon", &ICON_FILE)])
}

/// The same for those of the page of the methods.
pub(super) fn of_methods() -> Value {
    named("/status/methods", &[("style", &METHODS_STYLE), ("script", &METHODS_SCRIPT), ("icon", &ICON_FILE)])
}

fn named(mount: &str, files: &[(&'static str, &OwnFile)]) -> Value {
    let address = |file: &OwnFile| Value::String(format!("{mount}/assets/{}", file.name));
    Value::from_pairs(files.iter().map(|(word, file)| (*word, address(file))))
}

/// A style sheet, a script or a picture of the server's own pages. None is a secret: the page of the methods, which may
/// be public, has them, too.
#[route("/assets/<name>", methods = ["GET", "HEAD"], name = "asset", rpc = false)]
pub(super) async fn asset(name: String) -> Result<Response> {
    let all = [&STYLE, &SCRIPT, &METHODS_STYLE, &METHODS_SCRIPT, &ICON_FILE];
    let found = all.into_iter().find(|file| file.name == name);
    let file = found.ok_or_else(|| Error::new(404, "there is no such file; it may be one of another version"))?;
    Ok(Response::new(200)
        .header("Content-Type", file.content_type)
        .header("Cache-Control", "public, max-age=31536000, immutable")
        .header("X-Content-Type-Options", "nosniff")
        .body(file.text.clone()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The colours of the palettes: that of light, and that of dark.
    fn palettes(style: &'static str) -> Vec<BTreeMap<&'static str, &'static str>> {
        let blocks = style.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
        let colour = |line: &'static str| line.trim().strip_prefix("--")?.split_once(": ");
        blocks.map(|block| block.split(';').filter_map(colour).collect()).collect()
    }

    #[test]
    fn the_demo_has_the_palette_of_the_server_s_own_pages() {
        let (own, demo) = (palettes(BASE_STYLE), palettes(include_str!("../../static/demo.css")));
        assert_eq!((own.len(), demo.len()), (2, 2));
        for (own, demo) in own.iter().zip(&demo) {
            assert!(demo.len() > 9, "{demo:?}");
            let others: Vec<_> = demo.iter().filter(|(name, colour)| own.get(*name) != Some(colour)).collect();
            assert!(others.is_empty(), "{others:?}");
        }
        assert_eq!(ICON, include_str!("../../static/icon.svg"));
    }
}
