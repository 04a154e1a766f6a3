//! A slow reader of requests, written after RFC 9112 alone and without a thought for speed: what the quick one is held
//! against. The two understand the same requests, no more and no fewer, so each choice that the RFC leaves to a server
//! is written down here once more:
//!
//! - read: empty lines before a head; octets in a target that should have been escaped, as if they were; blanks after
//!   a chunk's size; any content of extensions and of the values of trailers;
//! - refused: all that is in doubt: a bare line feed as a line's end; two hosts, an empty one; two lengths, or a length
//!   beside a coding; codings other than one `chunked`; folded lines; a POST of HTTP/1.0 without a length; too much
//!   (not here: of extensions and trailers).

use skitai_wire::http1::{MAX_HEAD, MAX_REQUEST_FIELDS, MAX_TARGET};

/// A request that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) is_1_0: bool,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) is_kept: bool,
    pub(crate) expects_continue: bool,
    pub(crate) offers_upgrade: bool,
    pub(crate) body: Vec<u8>,
}

/// All requests in these octets, up to what is not whole or not understood.
pub(crate) fn slow(octets: &[u8]) -> Vec<Asked> {
    let (mut rest, mut all) = (octets, Vec::new());
    while let Some(asked) = request(&mut rest) {
        all.push(asked);
    }
    all
}

fn request(rest: &mut &[u8]) -> Option<Asked> {
    let before = rest.len();
    while let Some(line) = rest.strip_prefix(b"\r\n") {
        *rest = line;
    }
    let first = line(rest)?;
    let words: Vec<&[u8]> = first.split(|&octet| octet == b' ').collect();
    let [method, target, version] = words[..] else { return None };
    let is_1_0 = match version {
        b"HTTP/1.0" => true,
        b"HTTP/1.1" => false,
        _ => return None,
    };
    let method = token(method)?;
    let target = target_of(&method, target)?;
    let fields = fields(rest)?;
    if before - rest.len() > MAX_HEAD || first.len() > MAX_TARGET {
        return None;
    }
    let all = |wanted: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]).collect()
    };
    match all("host")[..] {
        [] if is_1_0 => {}
        [host] if is_host(host) => {}
        _ => return None,
    }
    let (mut length, mut is_chunked) = (None, false);
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) if is_1_0 && method == "POST" => return None,
        ([], []) => {}
        ([digits], []) => length = Some(number(digits, 10)?),
        ([], [coding]) if !is_1_0 && coding.eq_ignore_ascii_case(b"chunked") => is_chunked = true,
        _ => return None,
    }
    let lists = |name: &str, word: &str| {
        let mut words = all(name).into_iter().flat_map(|value| value.split(|&octet| octet == b','));
        words.any(|one| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    let closes = lists("connection", "close");
    let is_kept = !closes && (!is_1_0 || lists("connection", "keep-alive"));
    let has_body = is_chunked || length.is_some_and(|length| length > 0);
    let expects_continue = !is_1_0 && has_body && lists("expect", "100-continue");
    let offers_upgrade = !is_1_0 && !closes && !all("upgrade").is_empty() && lists("connection", "upgrade");
    let body = match length {
        Some(length) => taken(rest, length)?.to_vec(),
        None if is_chunked => chunks(rest)?,
        None => Vec::new(),
    };
    Some(Asked { method, target, is_1_0, fields, is_kept, expects_continue, offers_upgrade, body })
}

/// RFC 9112, 3.2: a path, a URL, `*` for OPTIONS, `host:port` for CONNECT.
fn target_of(method: &str, sent: &[u8]) -> Option<String> {
    let mut target = String::new();
    for &octet in sent {
        match octet {
            0x80.. | b'"' | b'<' | b'>' | b'`' => target += &format!("%{octet:02X}"),
            b'!'..=b'~' => target.push(char::from(octet)),
            _ => return None,
        }
    }
    let lower = target.to_ascii_lowercase();
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        let rest = lower.strip_prefix(scheme);
        rest.is_some_and(|rest| is_host(rest.split(['/', '?', '#']).next().unwrap_or_default().as_bytes()))
    });
    let is_good = match (method, &target[..]) {
        ("CONNECT", authority) => is_host(authority.as_bytes()),
        ("OPTIONS", "*") => true,
        _ => target.starts_with('/') || is_url,
    };
    (is_good && target.len() <= MAX_TARGET).then_some(target)
}

/// RFC 3986, 3.2.2, and not empty.
fn is_host(value: &[u8]) -> bool {
    let is_of_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(octet);
    let (name, port) = match value.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = literal.iter().position(|&octet| octet == b']') else { return false };
            if !literal[..end].iter().all(|octet| is_of_name(octet) || *octet == b':') {
                return false;
            }
            (&literal[..end], &literal[end + 1..])
        }
        None => {
            let end = value.iter().position(|&octet| octet == b':').unwrap_or(value.len());
            if !value[..end].iter().all(is_of_name) {
                return false;
            }
            (&value[..end], &value[end..])
        }
    };
    let is_port = match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    };
    is_port && !name.is_empty()
}

/// The lines up to the empty one.
fn fields(rest: &mut &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut fields = Vec::new();
    loop {
        let next = line(rest)?;
        if next.is_empty() {
            return Some(fields);
        }
        let colon = next.iter().position(|&octet| octet == b':')?;
        let (name, value) = (token(&next[..colon])?.to_ascii_lowercase(), &next[colon + 1..]);
        if !value.iter().all(|&octet| is_text(octet)) || fields.len() == MAX_REQUEST_FIELDS {
            return None;
        }
        fields.push((name, value.trim_ascii().to_vec()));
    }
}

/// RFC 9112, 7.1, each line ended by CR LF.
fn chunks(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = strict_line(rest)?;
        let size = size.split(|&octet| octet == b';').next()?;
        let blanks = size.iter().rev().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        let size = number(&size[..size.len() - blanks], 16).filter(|&size| size <= i64::MAX as u64)?;
        if size == 0 {
            loop {
                let line = strict_line(rest)?;
                if line.is_empty() {
                    return Some(body);
                }
                token(&line[..line.iter().position(|&octet| octet == b':')?])?;
            }
        }
        body.extend_from_slice(taken(rest, size)?);
        if !strict_line(rest)?.is_empty() {
            return None;
        }
    }
}

/// Digits and nothing else, and a number of 64 bits.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.chars().all(|one| one.is_digit(radix)))?;
    u64::from_str_radix(digits, radix).ok()
}

fn token(octets: &[u8]) -> Option<String> {
    let is_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(octet);
    (!octets.is_empty() && octets.iter().all(is_token)).then(|| String::from_utf8_lossy(octets).into_owned())
}

/// A line of a head without its end, which is CR LF.
fn line<'o>(rest: &mut &'o [u8]) -> Option<&'o [u8]> {
    let end = rest.iter().position(|&octet| octet == b'\n')?;
    let line = rest[..end].strip_suffix(b"\r")?;
    *rest = &rest[end + 1..];
    (!line.contains(&b'\r')).then_some(line)
}

/// A line without its end, which is CR LF.
fn strict_line<'o>(rest: &mut &'o [u8]) -> Option<&'o [u8]> {
    let end = rest.iter().position(|&octet| octet == b'\n')?;
    let line = rest[..end].strip_suffix(b"\r")?;
    *rest = &rest[end + 1..];
    line.iter().all(|&octet| is_text(octet)).then_some(line)
}

fn taken<'o>(rest: &mut &'o [u8], length: u64) -> Option<&'o [u8]> {
    let (taken, left) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = left;
    Some(taken)
}

fn is_text(octet: u8) -> bool {
    matches!(octet, b'\t' | b' '..=b'~' | 0x80..)
}
