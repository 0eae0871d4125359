//! Header blocks: a count, then names and values behind their lengths, in one zlib stream a direction that begins with the
//! dictionary.
//!
//! What we send is stored, not compressed: a few short headers a stream are not worth it, and any inflater reads it.
//! What we read goes through a raw inflater that was fed the dictionary as if it had been sent.

use bytes::Buf;
use flate2::{Decompress, FlushDecompress, Status};

use super::{Headers, Violation, dictionary};

/// The most that a header block may have when it is inflated.
const BLOCK_MAX: usize = 64 * 1024;
/// The most headers that a block may have.
const HEADERS_MAX: usize = 256;

/// Reads header blocks.
pub(super) struct Inflater {
    /// There once the stream has begun.
    stream: Option<Decompress>,
}

impl Inflater {
    pub(super) const fn new() -> Self {
        Self { stream: None }
    }

    pub(super) fn headers(&mut self, block: &[u8]) -> Result<Headers, Violation> {
        read(&self.inflate(block)?)
    }

    fn inflate(&mut self, mut block: &[u8]) -> Result<Vec<u8>, Violation> {
        if block.is_empty() {
            return Ok(Vec::new());
        }
        let mut inflated = Vec::new();
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let mut stream = Decompress::new(false);
                if begins_with_dictionary(&mut block)? {
                    let dictionary = dictionary::bytes();
                    inflate(&mut stream, &stored(&dictionary), &mut Vec::new(), dictionary.len())?;
                }
                self.stream.insert(stream)
            }
        };
        inflate(stream, block, &mut inflated, BLOCK_MAX)?;
        Ok(inflated)
    }
}

/// Reads the head of a zlib stream.
fn begins_with_dictionary(block: &mut &[u8]) -> Result<bool, Violation> {
    let head = block.try_get_u16().map_err(|_| Violation::Headers)?;
    let is_deflate = head >> 8 & 0x0f == 8 && head % 31 == 0;
    let has_dictionary = head & 0x20 != 0;
    if !is_deflate || has_dictionary && block.try_get_u32() != Ok(dictionary::ID) {
        return Err(Violation::Headers);
    }
    Ok(has_dictionary)
}

/// Inflates all of `block`, to `most` bytes.
fn inflate(stream: &mut Decompress, mut block: &[u8], into: &mut Vec<u8>, most: usize) -> Result<(), Violation> {
    let mut room = [0; 4096];
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(block, &mut room, FlushDecompress::Sync).map_err(|_| Violation::Headers)?;
        let (read, written) = ((stream.total_in() - read) as usize, (stream.total_out() - written) as usize);
        block = block.get(read..).unwrap_or_default();
        into.extend_from_slice(room.get(..written).unwrap_or_default());
        if into.len() > most {
            return Err(Violation::TooLarge);
        }
        match status {
            // The stream goes on as long as the connection does.
            Status::StreamEnd => return Err(Violation::Headers),
            // What was inflated may not have found room.
            _ if written == room.len() => {}
            _ if block.is_empty() => return Ok(()),
            _ if read == 0 && written == 0 => return Err(Violation::Headers),
            _ => {}
        }
    }
}

/// Bytes as a block of a raw deflate stream that more blocks follow.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(bytes.len() + 5);
    for part in bytes.chunks(usize::from(u16::MAX)) {
        let length = part.len() as u16;
        block.push(0);
        block.extend(length.to_le_bytes());
        block.extend((!length).to_le_bytes());
        block.extend(part);
    }
    block
}

fn read(mut block: &[u8]) -> Result<Headers, Violation> {
    let count = block.try_get_u32().map_err(|_| Violation::Headers)? as usize;
    if count > HEADERS_MAX {
        return Err(Violation::TooLarge);
    }
    let mut headers = Headers::new();
    for _ in 0..count {
        let name = text(&mut block)?.to_ascii_lowercase();
        let values = text(&mut block)?;
        headers.extend(values.split('\0').map(|value| (name.clone(), value.to_owned())));
    }
    if block.is_empty() { Ok(headers) } else { Err(Violation::Headers) }
}

fn text(block: &mut &[u8]) -> Result<String, Violation> {
    let length = block.try_get_u32().map_err(|_| Violation::Headers)? as usize;
    let (text, rest) = block.split_at_checked(length).ok_or(Violation::Headers)?;
    *block = rest;
    String::from_utf8(text.to_vec()).map_err(|_| Violation::Headers)
}

/// Writes header blocks.
#[derive(Default)]
pub(super) struct Deflater {
    has_begun: bool,
}

impl Deflater {
    pub(super) fn block(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = Vec::new();
        plain.extend((headers.len() as u32).to_be_bytes());
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend((text.len() as u32).to_be_bytes());
            plain.extend(text.as_bytes());
        }
        let mut block = Vec::new();
        if !std::mem::replace(&mut self.has_begun, true) {
            // Deflate with a window of 32 KiB, and the dictionary, though nothing refers to it.
            block.extend(0x78bb_u16.to_be_bytes());
            block.extend(dictionary::ID.to_be_bytes());
        }
        block.extend(stored(&plain));
        // An empty block is the sign that the bytes before it are to be handed on; some inflaters wait for it.
        block.extend([0, 0, 0, 0xff, 0xff]);
        block
    }
}
