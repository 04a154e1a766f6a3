//! The reader of requests as a connection uses it, over octets that come in pieces.

use skitai_wire::http1::{ChunkReader, Denied, Framing, HeadBounds, RequestReader, escaped, read_request};

use super::slow_requests::Asked;

/// What the quick reader makes of the octets when they come in pieces that end at these places: all requests that are
/// whole, and the status that refuses what follows, where something does.
pub(crate) fn quick(octets: &[u8], ends: &[usize]) -> (Vec<Asked>, Option<u16>) {
    let mut all = Vec::new();
    let refused = read(octets, ends, &mut all).err().map(|denied| {
        assert!(denied.why.len() < 700, "{}", denied.why);
        denied.status
    });
    (all, refused)
}

/// What is waited for.
enum Stage {
    Head(RequestReader),
    Length(Asked, u64),
    Chunks(Asked, ChunkReader),
}

fn read(octets: &[u8], ends: &[usize], all: &mut Vec<Asked>) -> Result<(), Denied> {
    let (mut at, mut stage) = (0, Stage::Head(RequestReader::default()));
    for end in ends.iter().copied().filter(|end| *end < octets.len()).chain([octets.len()]) {
        while at < end {
            let came = &octets[at..end];
            let whole;
            (stage, whole) = match stage {
                Stage::Head(mut reader) => match reader.end(came)? {
                    // More is needed.
                    None => {
                        stage = Stage::Head(reader);
                        break;
                    }
                    Some(length) => {
                        at += length;
                        head(&came[..length])?
                    }
                },
                Stage::Length(mut asked, left) => {
                    let length = came.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    asked.body.extend_from_slice(&came[..length]);
                    at += length;
                    match left - length as u64 {
                        0 => (Stage::Head(RequestReader::default()), Some(asked)),
                        left => (Stage::Length(asked, left), None),
                    }
                }
                Stage::Chunks(mut asked, mut reader) => {
                    let piece = reader.read(came)?;
                    asked.body.extend_from_slice(&came[piece.content.clone()]);
                    at += piece.used;
                    match reader.is_done() {
                        true => (Stage::Head(RequestReader::default()), Some(asked)),
                        false => (Stage::Chunks(asked, reader), None),
                    }
                }
            };
            all.extend(whole);
        }
    }
    Ok(())
}

/// What follows a head, and the request that is whole with it.
fn head(head: &[u8]) -> Result<(Stage, Option<Asked>), Denied> {
    let escaped = escaped(head);
    let mut fields = Vec::new();
    let read = read_request(escaped.as_deref().unwrap_or(head), HeadBounds::default(), |name, value| {
        fields.push((name.to_ascii_lowercase(), value.to_vec()));
    })?;
    let read = read.expect("a head that has an end is whole");
    let asked = Asked {
        method: read.method.to_owned(),
        target: read.target.to_owned(),
        is_1_0: read.is_1_0,
        fields,
        is_kept: read.is_kept,
        expects_continue: read.expects_continue,
        offers_upgrade: read.offers_upgrade,
        body: Vec::new(),
    };
    Ok(match read.framing {
        Framing::None => (Stage::Head(RequestReader::default()), Some(asked)),
        Framing::Length(length) => (Stage::Length(asked, length), None),
        Framing::Chunked => (Stage::Chunks(asked, ChunkReader::of_request()), None),
        Framing::ToTheEnd => panic!("a request does not end with its connection"),
    })
}
