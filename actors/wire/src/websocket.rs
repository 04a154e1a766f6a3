//! The frames of a WebSocket (RFC 6455, 5.2), followed and not read: where one ends, and whether it closes. So who
//! passes them on can say a word of its own between two of them, and holds none.

/// Octets of the fixed part of a head, and of the key behind it where the payload is masked.
const FIXED: usize = 2;
const MASK: usize = 4;
/// The opcode of a frame that closes.
const CLOSE: u8 = 8;

/// Follows the frames of one direction.
#[derive(Clone, Debug, Default)]
pub struct FrameFollower {
    /// What has come of a head, without its key.
    head: [u8; FIXED + 8],
    came: usize,
    /// What is missing of the payload; `None` within a head.
    left: Option<u64>,
    has_closed: bool,
}

impl FrameFollower {
    /// Goes on by these octets, to the end of a frame at the latest. Returns how many of them belong to it.
    pub fn follow(&mut self, octets: &[u8]) -> usize {
        let mut used = 0;
        while self.left.is_none() && used < octets.len() {
            if let Some(place) = self.head.get_mut(self.came) {
                *place = octets[used];
            }
            self.came += 1;
            used += 1;
            self.left = self.payload();
        }
        let Some(left) = &mut self.left else { return used };
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(octets.len() - used);
        *left -= length as u64;
        if *left == 0 {
            let has_closed = self.has_closed || self.head[0] & 0x0f == CLOSE;
            *self = FrameFollower { has_closed, ..FrameFollower::default() };
        }
        used + length
    }

    /// Whether the next octet begins a frame.
    pub fn is_between(&self) -> bool {
        self.came == 0
    }

    /// Whether a frame that closes has come to its end.
    pub fn has_closed(&self) -> bool {
        self.has_closed
    }

    /// The length of the payload, once the head is complete.
    fn payload(&self) -> Option<u64> {
        let (is_masked, short) = (self.head[1] & 0x80 != 0, self.head[1] & 0x7f);
        let more = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let whole = FIXED + more + if is_masked { MASK } else { 0 };
        if self.came < FIXED || self.came < whole {
            return None;
        }
        let long = self.head[FIXED..FIXED + more].iter().fold(0, |length, octet| length << 8 | u64::from(*octet));
        Some(if more == 0 { short.into() } else { long })
    }
}

/// A frame that closes, with its code; with a key for one that a client sends.
pub fn close_frame(code: u16, key: Option<[u8; MASK]>) -> Vec<u8> {
    let code = code.to_be_bytes();
    match key {
        None => vec![0x80 | CLOSE, 2, code[0], code[1]],
        Some(key) => vec![0x80 | CLOSE, 0x82, key[0], key[1], key[2], key[3], code[0] ^ key[0], code[1] ^ key[1]],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, is_masked: bool) -> Vec<u8> {
        let mask = if is_masked { 0x80 } else { 0 };
        let mut frame = vec![opcode];
        match length {
            0..=125 => frame.push(mask | length as u8),
            126..=65_535 => {
                frame.push(mask | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([9; MASK].iter().filter(|_| is_masked));
        frame.resize(frame.len() + length, 0x88);
        frame
    }

    #[test]
    fn a_close_is_seen_at_its_end() {
        for key in [None, Some([1, 2, 3, 4])] {
            let (mut frames, octets) = (FrameFollower::default(), close_frame(1001, key));
            for octet in &octets[..octets.len() - 1] {
                assert_eq!(frames.follow(&[*octet]), 1);
                assert!(!frames.has_closed() && !frames.is_between());
            }
            assert_eq!(frames.follow(&octets[octets.len() - 1..]), 1);
            assert!(frames.has_closed() && frames.is_between());
        }
        assert_eq!(close_frame(1001, None), [0x88, 2, 3, 0xe9]);
        assert_eq!(close_frame(1001, Some([0xff; 4])), [0x88, 0x82, 0xff, 0xff, 0xff, 0xff, 0xfc, 0x16]);
    }

    #[test]
    fn no_length_is_too_long() {
        let mut frames = FrameFollower::default();
        let head = [&[0x82, 127][..], &[0xff; 8]].concat();
        assert_eq!(frames.follow(&head), 10);
        assert_eq!(frames.follow(&[0; 1000]), 1000);
        assert!(!frames.is_between());
    }

    proptest! {
        /// However the octets are cut, each frame ends where it does.
        #[test]
        fn frames_end_where_they_do(
            lengths in proptest::collection::vec(prop_oneof![0_usize..3, 124_usize..128, 65_534_usize..65_538], 1..8),
            is_masked: bool,
            piece in 1_usize..70_000,
        ) {
            let all: Vec<Vec<u8>> = lengths.iter().map(|length| frame(2, *length, is_masked)).collect();
            let ends: Vec<usize> = all.iter().scan(0, |at, frame| { *at += frame.len(); Some(*at) }).collect();
            let (mut frames, mut at, mut seen) = (FrameFollower::default(), 0, Vec::new());
            for piece in all.concat().chunks(piece) {
                let mut used = 0;
                while used < piece.len() {
                    let taken = frames.follow(&piece[used..]);
                    prop_assert!(taken > 0);
                    used += taken;
                    if frames.is_between() {
                        seen.push(at + used);
                    }
                }
                at += piece.len();
            }
            prop_assert_eq!(seen, ends);
            prop_assert!(!frames.has_closed());
        }
    }
}
