//! Protobuf's own layer: numbered fields, each a number, eight or four bytes, or a run of bytes with its length.

use super::ProtobufError;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire<'a> {
    /// A number in as many bytes as it needs.
    Number(u64),
    /// Eight bytes.
    Eight([u8; 8]),
    /// Four bytes; no field of Kubernetes has them.
    Four,
    /// A text, bytes, a message, or several numbers.
    Bytes(&'a [u8]),
}

/// Takes fields from the front of a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field with its number; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, ProtobufError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| *number != 0);
        let number = number.ok_or(ProtobufError::Malformed("a field number out of range"))?;
        let wire = match tag & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Eight(*self.take_array()?),
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| CUT_SHORT)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                self.take_array::<4>()?;
                Wire::Four
            }
            _ => return Err(ProtobufError::Malformed("a wire type that proto2 messages of Kubernetes do not have")),
        };
        Ok(Some((number, wire)))
    }

    /// A number of one to ten bytes; `None` at the end.
    pub(super) fn next_number(&mut self) -> Result<Option<u64>, ProtobufError> {
        if self.rest.is_empty() { Ok(None) } else { self.number().map(Some) }
    }

    fn number(&mut self) -> Result<u64, ProtobufError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = *self.take_array()?;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Malformed("a number of more than 64 bits"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], ProtobufError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(taken)
    }
}

const CUT_SHORT: ProtobufError = ProtobufError::Malformed("it ends too early");

/// Puts fields behind each other.
#[derive(Default)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// A writer that has these bytes already, and room for more.
    pub(crate) fn starting_with(bytes: &[u8], room: usize) -> Self {
        let mut out = Vec::with_capacity(bytes.len() + room);
        out.extend_from_slice(bytes);
        Self { out }
    }

    pub(crate) fn number(&mut self, number: u32, value: u64) {
        self.varint(u64::from(number) << 3);
        self.varint(value);
    }

    pub(crate) fn eight(&mut self, number: u32, value: [u8; 8]) {
        self.varint(u64::from(number) << 3 | 1);
        self.out.extend_from_slice(&value);
    }

    pub(crate) fn bytes(&mut self, number: u32, value: &[u8]) {
        self.varint(u64::from(number) << 3 | 2);
        self.varint(value.len() as u64);
        self.out.extend_from_slice(value);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
