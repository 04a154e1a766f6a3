//! A slow reader of answers, written after RFC 9112 alone and without a thought for speed: what the quick one is held
//! against. Whatever this one understands, that one must understand alike; what this one refuses, that one may read.

use skitai_wire::http1::{ChunkReader, Framing, Head, HeadReader, MAX_FIELDS, Refusal};

/// An answer that is whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Octets behind it.
    pub(crate) behind: usize,
}

/// Reads an answer whose connection ends behind these octets; `None` for what is not whole, or not understood.
pub(crate) fn slow(octets: &[u8], is_head: bool) -> Option<Answer> {
    let mut rest = octets;
    loop {
        let first = line(&mut rest)?;
        let version = first.strip_prefix(b"HTTP/1.")?;
        let (b"0 " | b"1 ", code) = version.split_at_checked(2)? else { return None };
        let code: u16 = std::str::from_utf8(code.get(..3)?).ok()?.parse().ok()?;
        if !matches!(first.get(12), None | Some(b' ')) || !first.iter().all(|&octet| is_text(octet)) || code == 101 {
            return None;
        }
        let fields = fields(&mut rest)?;
        match code {
            100..=199 => {}
            200.. => return body(rest, code, fields, is_head),
            _ => return None,
        }
    }
}

fn body(mut rest: &[u8], code: u16, fields: Vec<(String, Vec<u8>)>, is_head: bool) -> Option<Answer> {
    let list = |wanted: &str| {
        let values = fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| &value[..]);
        values.collect::<Vec<_>>().join(&b","[..])
    };
    let codings = list("transfer-encoding").to_ascii_lowercase();
    let codings: Vec<&[u8]> = codings.split(|&octet| octet == b',').map(<[u8]>::trim_ascii).collect();
    let codings: Vec<&[u8]> = codings.into_iter().filter(|coding| !matches!(*coding, b"" | b"identity")).collect();
    let mut lengths = Vec::new();
    if fields.iter().any(|(name, _)| name == "content-length") {
        for word in list("content-length").split(|&octet| octet == b',').map(<[u8]>::trim_ascii) {
            let is_number = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
            lengths.push(std::str::from_utf8(word).ok().filter(|_| is_number)?.parse::<u64>().ok()?);
        }
    }
    lengths.dedup();
    if lengths.len() > 1 || !matches!(codings[..], [] | [b"chunked"]) {
        return None;
    }
    let length = lengths.first().copied();
    let body = match (codings.is_empty(), length) {
        _ if is_head || matches!(code, 204 | 304) => Vec::new(),
        (false, _) => chunks(&mut rest)?,
        (true, Some(length)) => taken(&mut rest, usize::try_from(length).ok()?)?.to_vec(),
        (true, None) => std::mem::take(&mut rest).to_vec(),
    };
    Some(Answer { code, fields, body, behind: rest.len() })
}

fn chunks(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(rest)?;
        let size = size.split(|&octet| octet == b';').next()?.trim_ascii_end();
        if size.is_empty() || !size.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let size = i64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            while !line(rest)?.is_empty() {}
            return Some(body);
        }
        body.extend_from_slice(taken(rest, usize::try_from(size).ok()?)?);
        if !line(rest)?.is_empty() {
            return None;
        }
    }
}

/// The lines up to the empty one, folded ones put together.
fn fields(rest: &mut &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let next = line(rest)?;
        if next.is_empty() {
            return Some(fields);
        }
        if !next.iter().all(|&octet| is_text(octet)) {
            return None;
        }
        if let [b' ' | b'\t', fold @ ..] = next {
            let (fold, value) = (fold.trim_ascii(), &mut fields.last_mut()?.1);
            if !fold.is_empty() {
                let blank: &[u8] = if value.is_empty() { b"" } else { b" " };
                *value = [value, blank, fold].concat();
            }
            continue;
        }
        let colon = next.iter().position(|&octet| octet == b':')?;
        let (name, value) = (std::str::from_utf8(&next[..colon]).ok()?, &next[colon + 1..]);
        let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        fields.push((name.to_ascii_lowercase(), value.trim_ascii().to_vec()));
        if fields.len() > MAX_FIELDS {
            return None;
        }
    }
}

/// A line without its end, which is CRLF or LF.
fn line<'o>(rest: &mut &'o [u8]) -> Option<&'o [u8]> {
    let end = rest.iter().position(|&octet| octet == b'\n')?;
    let line = &rest[..end];
    *rest = &rest[end + 1..];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    (!line.contains(&b'\r')).then_some(line)
}

fn taken<'o>(rest: &mut &'o [u8], length: usize) -> Option<&'o [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn is_text(octet: u8) -> bool {
    matches!(octet, b'\t' | b' '..=b'~' | 0x80..)
}

/// What the quick reader makes of the octets when they come in pieces that end at these places.
pub(crate) fn quick(octets: &[u8], is_head: bool, ends: &[usize]) -> Result<Option<Answer>, Refusal> {
    let mut reader = HeadReader::default();
    let ends = ends.iter().copied().filter(|end| *end < octets.len()).chain([octets.len()]);
    for end in ends {
        let mut fields = Vec::new();
        let read = reader.read(&octets[..end], is_head, |_, name, value| {
            fields.push((name.to_ascii_lowercase(), value.to_vec()));
        });
        if let Some(head) = read? {
            return quick_body(octets, head, fields, end);
        }
    }
    Ok(None)
}

fn quick_body(
    octets: &[u8],
    head: Head,
    fields: Vec<(String, Vec<u8>)>,
    first: usize,
) -> Result<Option<Answer>, Refusal> {
    let code = head.code;
    let rest = &octets[head.end..];
    let (body, used) = match head.framing {
        Framing::None => (Vec::new(), 0),
        Framing::ToTheEnd => (rest.to_vec(), rest.len()),
        Framing::Length(length) => match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(body) => (body.to_vec(), body.len()),
            None => return Ok(None),
        },
        Framing::Chunked => {
            let (mut reader, mut body, mut at) = (ChunkReader::default(), Vec::new(), 0);
            // The first piece ends where the one of the head did, the others are an octet each.
            let mut end = first - head.end;
            while !reader.is_done() && at < rest.len() {
                end = end.max(at + 1);
                let piece = reader.read(&rest[at..end])?;
                body.extend_from_slice(&rest[at..][piece.content.clone()]);
                at += piece.used;
            }
            if !reader.is_done() {
                return Ok(None);
            }
            (body, at)
        }
    };
    Ok(Some(Answer { code, fields, body, behind: rest.len() - used }))
}
