//! `SplitMix64`: the same seed gives the same bytes on every machine and with every version of every crate.

use std::fmt::Write;

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for part number `n` of what this seed makes.
    pub(super) fn part(seed: u64, n: u64) -> Self {
        let mut root = Self(seed ^ n.wrapping_mul(0xD1B5_4A32_D192_ED03));
        Self(root.next())
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `0..end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// One of `start..end`.
    pub(super) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.below(end.saturating_sub(start))
    }

    /// Once in `times`, on average.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }

    /// A size with the long tail of a log-normal distribution, in integers: `smallest` doubled as often as
    /// `coins` coins show heads, and evenly spread within that doubling. The median is near
    /// `smallest * 1.4 * 2^(coins / 2)`.
    pub(super) fn long_tailed(&mut self, smallest: u64, coins: u32) -> u64 {
        let heads = (self.next() & ((1 << coins) - 1)).count_ones();
        let floor = smallest << heads;
        floor + self.below(floor)
    }

    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let _ = write!(text, "{:016x}", self.next());
        }
        text.truncate(digits);
        text
    }

    pub(super) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
        let (d, e) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
    }

    /// `prefix` and 22 letters and digits, as the provider's ids look.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut text = String::with_capacity(prefix.len() + 24);
        text.push_str(prefix);
        text.push_str("01");
        for _ in 0..22 {
            text.push(char::from(self.pick(LETTERS)));
        }
        text
    }
}
