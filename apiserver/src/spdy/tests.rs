//! What the decoder makes of what clients send, good and bad.

use bytes::BytesMut;
use flate2::{Compress, Compression, FlushCompress};

use super::*;

fn read(bytes: &[u8], step: usize) -> Result<Vec<Event>, Violation> {
    let (mut decoder, mut buffer, mut events) = (Decoder::new(), BytesMut::new(), Vec::<Event>::new());
    for chunk in bytes.chunks(step) {
        buffer.extend_from_slice(chunk);
        while let Some(event) = decoder.decode(&mut buffer)? {
            // Pieces of one frame are put together again.
            match (events.last_mut(), event) {
                (
                    Some(Event::Data { stream, bytes, fin: fin @ false }),
                    Event::Data { stream: same, bytes: more, fin: ends },
                ) if *stream == same => {
                    *bytes = [&**bytes, &more].concat().into();
                    *fin = ends;
                }
                (_, event) => events.push(event),
            }
        }
    }
    Ok(events)
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A control frame with this content.
fn control(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    [&[0x80, 3, 0, kind, 0, length[1], length[2], length[3]], content].concat()
}

/// A block of headers as other programs make it: compressed, each block flushed, and with the head of a zlib stream.
struct OtherSide(Compress, bool);

impl OtherSide {
    fn syn(&mut self, stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            plain.extend((text.len() as u32).to_be_bytes());
            plain.extend(text.as_bytes());
        }
        let mut content = stream.to_be_bytes().to_vec();
        content.extend([0; 6]);
        if !std::mem::replace(&mut self.1, true) {
            content.extend([0x78, 0x9c]);
        }
        let mut block = Vec::with_capacity(plain.len() + 256);
        self.0.compress_vec(&plain, &mut block, FlushCompress::Sync).expect("it compresses");
        content.extend(block);
        control(1, &content)
    }
}

#[test]
fn the_dictionary_is_the_one_of_the_standard() {
    let bytes = dictionary::bytes();
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in &bytes {
        low = (low + u32::from(*byte)) % 65521;
        high = (high + low) % 65521;
    }
    assert_eq!((bytes.len(), high << 16 | low), (1423, dictionary::ID));
}

#[test]
fn frames_are_read_however_they_are_cut() {
    let long = vec![b'x'; 70_000];
    let mut encoder = Encoder::default();
    let bytes = [
        &*encoder.syn(1, &[("streamtype", "error"), ("port", "80")], true),
        &*encoder.syn(3, &[("streamtype", "data")], false),
        &Encoder::data(3, 5, false),
        b"hello",
        &Encoder::ping(7),
        &Encoder::data(3, long.len(), true),
        &long,
        &encoder.reply(2, &[]),
        &Encoder::reset(3, 5),
        &Encoder::window(3, 1000),
        &control(4, &[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 1, 0]),
        &control(77, b"whatever"),
        &Encoder::go_away(3),
    ]
    .concat();
    let expected = [
        Event::Syn { stream: 1, headers: headers(&[("streamtype", "error"), ("port", "80")]), fin: true },
        Event::Syn { stream: 3, headers: headers(&[("streamtype", "data")]), fin: false },
        Event::Data { stream: 3, bytes: "hello".into(), fin: false },
        Event::Ping(7),
        Event::Data { stream: 3, bytes: long.clone().into(), fin: true },
        Event::Reply { stream: 2, headers: Headers::new(), fin: false },
        Event::Reset { stream: 3, status: 5 },
        Event::Window { stream: 3, more: 1000 },
        Event::Settings,
        Event::Unknown(77),
        Event::GoAway { last: 3 },
    ];
    for step in [1, 5, 8, 1000, bytes.len()] {
        assert_eq!(read(&bytes, step).expect("valid frames"), expected, "in pieces of {step}");
    }
}

#[test]
fn headers_that_are_compressed_are_read_one_block_after_the_other() {
    let mut other = OtherSide(Compress::new(Compression::best(), false), false);
    let first = [("streamtype", "error"), ("port", "8080"), ("requestid", "0")];
    let second = [("streamtype", "data"), ("port", "8080"), ("requestid", "0")];
    let bytes = [other.syn(1, &first), other.syn(3, &second), other.syn(5, &[("Many", "a\0b")])].concat();
    let expected = [
        Event::Syn { stream: 1, headers: headers(&first), fin: false },
        Event::Syn { stream: 3, headers: headers(&second), fin: false },
        Event::Syn { stream: 5, headers: headers(&[("many", "a"), ("many", "b")]), fin: false },
    ];
    assert_eq!(read(&bytes, bytes.len()).expect("valid frames"), expected);
}

#[test]
fn what_refers_to_the_dictionary_is_found_there() {
    // What zlib makes of the headers below with the dictionary.
    let block = [
        0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x02, 0xe5, 0x0e, 0xec, 0x25, 0x28, 0x27, 0xdc, 0x5b, 0x88, 0x84, 0xc9,
        0x8f, 0xe6, 0x05, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff,
    ];
    let mut content = vec![0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    content.extend(block);
    let expected = Event::Syn {
        stream: 1,
        headers: headers(&[("accept-encoding", "text/html"), ("url", "application/xml")]),
        fin: false,
    };
    assert_eq!(read(&control(1, &content), 4096).expect("a valid frame"), [expected]);
}

#[test]
fn what_the_other_side_must_not_do_is_refused() {
    let bomb = {
        let mut other = OtherSide(Compress::new(Compression::best(), false), false);
        other.syn(1, &[("a", &"0".repeat(100_000))])
    };
    let syn = |block: &[u8]| control(1, &[&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0], block].concat());
    for (bytes, why) in [
        (vec![0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1], Violation::Version(2)),
        (vec![0x80, 3, 0, 6, 0, 0xff, 0, 0], Violation::Length),
        (control(6, &[0; 5]), Violation::Length),
        (control(3, &[0; 4]), Violation::Length),
        (control(4, &[0xff; 4]), Violation::Length),
        (control(7, &[]), Violation::Length),
        (control(1, &[0; 9]), Violation::Length),
        (control(2, &[0; 3]), Violation::Length),
        (syn(&[]), Violation::Headers),
        (syn(b"x"), Violation::Headers),
        (syn(b"GET / HTTP"), Violation::Headers),
        (syn(&[0x78, 0xbb, 1, 2, 3, 4]), Violation::Headers),
        (syn(&[0x78, 0x9c, 0xff, 0xff, 0xff]), Violation::Headers),
        // A count of headers that are not there.
        (syn(&[0x78, 0x01, 0, 4, 0, 0xfb, 0xff, 0, 0, 0, 9]), Violation::Headers),
        (syn(&[0x78, 0x01, 0, 4, 0, 0xfb, 0xff, 0xff, 0, 0, 0]), Violation::TooLarge),
        (bomb, Violation::TooLarge),
    ] {
        assert_eq!(read(&bytes, bytes.len()).err(), Some(why), "{bytes:x?}");
    }
}

#[test]
fn garbage_never_panics() {
    let mut seed = 7_u64;
    for round in 0..3000 {
        let garbage: Vec<u8> = (0..96)
            .map(|place| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let any = (seed >> 40) as u8;
                // A head that could be right gets far.
                let head = [0x80, 3, 0, 1 + (round % 9) as u8, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x78, 0x9c];
                head.get(place).copied().filter(|_| !any.is_multiple_of(16)).unwrap_or(any)
            })
            .collect();
        let (mut decoder, mut buffer) = (Decoder::new(), BytesMut::from(&*garbage));
        while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
    }
}
