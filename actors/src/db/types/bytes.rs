//! Reads fields off the front of a slice, in network byte order.

/// The rest of a value's bytes. Every read returns `None` at their end, so malformed data cannot cause a panic.
pub(super) struct ByteFields<'a>(pub(super) &'a [u8]);

macro_rules! reads {
    ($($name:ident: $type:ty),*) => {
        $(pub(super) fn $name(&mut self) -> Option<$type> {
            let (head, tail) = self.0.split_first_chunk()?;
            self.0 = tail;
            Some(<$type>::from_be_bytes(*head))
        })*
    };
}

impl<'a> ByteFields<'a> {
    reads!(u8: u8, u16: u16, u32: u32, u64: u64, i16: i16, i32: i32, i64: i64);

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    /// The bytes up to the next zero byte, which is consumed as well.
    pub(super) fn until_nul(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let head = self.take(end)?;
        self.take(1)?;
        Some(head)
    }

    /// A nested value with its length before it. `Some(None)` is NULL (length −1).
    pub(super) fn nested(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Lower-case hexadecimal, two digits per byte.
pub(super) fn hex(raw: &[u8]) -> String {
    let mut text = String::with_capacity(raw.len() * 2);
    for byte in raw {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('?'));
        }
    }
    text
}
