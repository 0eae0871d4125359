//! What the decoder makes of what clients send, good and bad.

use super::*;

/// A frame as a client sends it.
fn sent(first: u8, content: &[u8]) -> Vec<u8> {
    let mask = [0x5a, 0x00, 0xff, 0x13];
    let mut frame = vec![first];
    match content.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        middle @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(content.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What is read of bytes that come in pieces of this size; the messages are put together again.
fn read(bytes: &[u8], step: usize) -> Result<Vec<String>, Violation> {
    let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
    let (mut told, mut message) = (Vec::new(), Vec::new());
    for chunk in bytes.chunks(step) {
        buffer.extend_from_slice(chunk);
        while let Some(event) = decoder.decode(&mut buffer)? {
            match event {
                Event::Piece { bytes, begins, ends } => {
                    assert_eq!(begins, message.is_empty(), "the first piece begins a message, and only that");
                    message.push(bytes.to_vec());
                    if ends {
                        told.push(String::from_utf8_lossy(&message.concat()).into_owned());
                        message.clear();
                    }
                }
                other => told.push(format!("{other:?}")),
            }
        }
    }
    Ok(told)
}

#[test]
fn messages_are_read_however_they_are_cut() {
    let long = "x".repeat(70_000);
    let middle = "y".repeat(300);
    let bytes = [
        sent(0x82, b"one"),
        sent(0x01, b"t"),
        sent(0x89, b"are you there"),
        sent(0x00, b"w"),
        sent(0x80, b"o"),
        sent(0x82, b""),
        sent(0x82, middle.as_bytes()),
        sent(0x82, long.as_bytes()),
        sent(0x8a, b""),
        sent(0x88, &[3, 232]),
    ]
    .concat();
    let expected = ["one", "Ping(b\"are you there\")", "two", "", &middle, &long, "Pong", "Close(1000)"];
    for step in [1, 2, 3, 7, 64, 1000, bytes.len()] {
        assert_eq!(read(&bytes, step).expect("valid frames"), expected, "in pieces of {step}");
    }
}

#[test]
fn what_a_client_must_not_do_is_refused() {
    for (bytes, why) in [
        (vec![0x82, 0x01, b'a'], Violation::NotMasked),
        (sent(0xc2, b"a"), Violation::Reserved),
        (sent(0x83, b"a"), Violation::Reserved),
        (sent(0x8b, b""), Violation::Reserved),
        (sent(0x09, b"a"), Violation::Control),
        (sent(0x89, &[0; 126]), Violation::Control),
        (sent(0x88, &[3]), Violation::Control),
        (sent(0x80, b"a"), Violation::Continuation),
        ([sent(0x02, b"a"), sent(0x82, b"b")].concat(), Violation::Continuation),
        ([&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat(), Violation::Length),
    ] {
        assert_eq!(read(&bytes, bytes.len()), Err(why), "{bytes:x?}");
        assert_eq!(read(&bytes, 1), Err(why), "{bytes:x?} byte by byte");
    }
}

#[test]
fn a_frame_that_is_said_to_be_endless_holds_nothing() {
    let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
    buffer.extend_from_slice(&[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    for _ in 0..1000 {
        buffer.extend_from_slice(&[1; 4096]);
        while let Some(event) = decoder.decode(&mut buffer).expect("a valid frame") {
            assert!(matches!(event, Event::Piece { ends: false, .. }));
        }
        assert!(buffer.is_empty(), "everything was handed on");
    }
}

#[test]
fn garbage_never_panics() {
    let mut seed = 1_u64;
    for _ in 0..2000 {
        let garbage: Vec<u8> = (0..64)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Few different bytes, and those that mean something, get far.
                [0x82, 0x02, 0x80, 0x88, 0x89, 0xfe, 0xff, 0x00, (seed >> 20) as u8][(seed >> 33) as usize % 9]
            })
            .collect();
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::from(&*garbage));
        while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
    }
}

#[test]
fn heads_are_as_short_as_they_can_be() {
    assert_eq!(*Frame::Binary.head(5), [0x82, 5]);
    assert_eq!(*Frame::Text.head(126), [0x81, 126, 0, 126]);
    assert_eq!(*Frame::Pong.head(0), [0x8a, 0]);
    assert_eq!(*Frame::Close.head(2), [0x88, 2]);
    assert_eq!(*Frame::Binary.head(0x1_0000), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn the_key_is_answered_as_the_standard_says() {
    assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
