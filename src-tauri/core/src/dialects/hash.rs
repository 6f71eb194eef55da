//! Hashes that stand for ids in the ledger. They are kept there, so their definition never changes.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// XXH3-128 (seed 0) of the parts, each preceded by its length as eight little-endian bytes.
pub(super) fn cluster(parts: &[&[u8]]) -> u128 {
    let mut hash = Xxh3::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.digest128()
}

/// XXH3-64 (seed 0) of an id; 0 stands for none and is never the hash of one.
pub(super) fn id(text: Option<&str>) -> u64 {
    text.map_or(0, |text| xxh3_64(text.as_bytes()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ledgers in use hold these values: a change here loses their identity.
    #[test]
    fn hashes_never_change() {
        assert_eq!(cluster(&[b"claude-code", b"msg_01ABCDEFGHIJKLMNOP"]), 0);
        assert_eq!(cluster(&[]), 0);
        assert_eq!(id(Some("req_A")), 0);
        assert_eq!(id(None), 0);
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
        assert_eq!(cluster(&[&part]), xxhash_rust::xxh3::xxh3_128(&bytes));
    }
}
