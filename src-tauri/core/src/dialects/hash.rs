//! Hashes that stand for ids in the ledger. They are kept there, so their definition never changes.

use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// XXH3-64 (seed 0) of the parts, each preceded by its length as eight little-endian bytes. Among ten million ids
/// two share a hash with a probability of three in a million.
pub(super) fn cluster(parts: &[&[u8]]) -> u64 {
    let mut bytes = SmallVec::<[u8; 128]>::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    xxh3_64(&bytes)
}

/// XXH3-64 (seed 0) of an id; 0 stands for an empty one, which is none, and for no other.
pub(super) fn id(id: &[u8]) -> u64 {
    if id.is_empty() { 0 } else { xxh3_64(id).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ledgers in use hold these values: a change here loses their identity.
    #[test]
    fn hashes_never_change() {
        let named = cluster(&[b"claude-code", b"msg_01ABCDEFGHIJKLMNOP"]);
        assert_eq!(named, 0x71ca_add3_8d03_816b);
        assert_eq!(cluster(&[]), 0x2d06_8005_38d3_94c2);
        assert_eq!(id(b"req_A"), 0xf44cb830812d4c49);
        assert_eq!(id(b""), 0);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let hashes = [
            cluster(&[b"ab", b"c"]),
            cluster(&[b"a", b"bc"]),
            cluster(&[b"abc"]),
            cluster(&[b"abc", b""]),
        ];
        for (index, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..index].contains(hash), "{index}");
        }
    }

    #[test]
    fn long_parts_hash_like_their_bytes() {
        let part = vec![7; 1000];
        let bytes = [&1000u64.to_le_bytes()[..], &part].concat();
        assert_eq!(cluster(&[&part]), xxh3_64(&bytes));
    }
}
