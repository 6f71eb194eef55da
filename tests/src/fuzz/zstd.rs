//! Packed archives and events: what comes out is what was packed, or a fault; never more than the limit.

use clawspend_core::{
    follow::archive::{EVENT_LIMIT, LINE_LIMIT, each_line, of_bytes, unpack_event},
    usage::Fault,
};
use std::io::{Read as _, Write as _};
use zstd::{bulk::Decompressor, stream};

/// What an archive may unpack to: always so much, else so many times its size.
const ALWAYS: u64 = 64 << 20;
const TIMES: u64 = 1000;

/// The first byte says what follows: `r` bytes as they lie in a store; `b` a bomb: a byte for its size, up to more than
/// an event may have, and what it repeats. Anything else is text, which is packed here.
pub fn check(data: &[u8]) {
    let (packed, sound) = match data {
        [b'r', packed @ ..] => (packed.to_vec(), false),
        [b'b', size, pattern @ ..] if !pattern.is_empty() => {
            (bomb(usize::from(*size) * (17 << 10), pattern), true)
        }
        text => (
            zstd::bulk::compress(text, 3).expect("packed in memory"),
            true,
        ),
    };
    archive(&packed, sound);
    event(&packed, sound);
}

fn bomb(size: usize, pattern: &[u8]) -> Vec<u8> {
    let mut packer = stream::Encoder::new(Vec::new(), 1).expect("an encoder");
    let block = pattern.repeat((1 << 16) / pattern.len() + 1);
    let mut left = size;
    while left > 0 {
        let some = left.min(block.len());
        packer.write_all(&block[..some]).expect("packed in memory");
        left -= some;
    }
    packer.finish().expect("packed in memory")
}

/// What a decoder without limits gives, up to one byte more than `limit`; whether that is all and undamaged.
fn unpacked(packed: &[u8], limit: u64) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let decoder = stream::Decoder::with_buffer(packed).expect("a decoder");
    let undamaged = decoder.take(limit + 1).read_to_end(&mut bytes).is_ok();
    let whole = undamaged && bytes.len() as u64 <= limit;
    (bytes, whole)
}

fn archive(packed: &[u8], sound: bool) {
    let limit = (packed.len() as u64 * TIMES).max(ALWAYS);
    let (mut text, mut fault) = (Vec::new(), None);
    let reader = of_bytes(packed).expect("a decoder");
    let read = each_line(reader, |at, line| {
        assert_eq!(
            (at, fault),
            (text.len() as u64, None),
            "lines follow one another, and nothing a fault"
        );
        match line {
            Ok(line) => {
                assert!(line.len() <= LINE_LIMIT && !line.contains(&b'\n'));
                text.extend_from_slice(line);
                text.push(b'\n');
            }
            Err(why) => fault = Some(why),
        }
    });
    read.expect("bytes in memory");
    let (mut expected, whole) = if packed.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        unpacked(packed, limit)
    } else {
        (packed.to_vec(), true)
    };
    if !(expected.is_empty() || expected.ends_with(b"\n")) {
        expected.push(b'\n');
    }
    if fault.is_none() {
        assert!(whole, "damage or too much is told");
        assert!(text == expected);
    } else {
        assert_eq!(fault, Some(Fault::BadCompression));
        // What may be stored soundly, but asks for more memory than is granted, is refused as well.
        assert!(!(sound && whole), "sound and not too much");
        assert!(expected.starts_with(&text));
    }
}

fn event(packed: &[u8], sound: bool) {
    let mut decoder = Decompressor::new().expect("a decoder");
    let mut out = Vec::new();
    let outcome = unpack_event(&mut decoder, packed, &mut out);
    assert!(
        out.capacity() <= EVENT_LIMIT,
        "no more memory than the limit"
    );
    let (expected, whole) = unpacked(packed, EVENT_LIMIT as u64);
    match outcome {
        Ok(()) => assert!(whole && out == expected),
        Err(fault) => assert!(fault == Fault::BadCompression && !(sound && whole)),
    }
}
