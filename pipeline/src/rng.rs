//! Independent random streams, addressed by what they are for.
//!
//! A [`StreamKey`] starts from the seed of a run and descends by name and number: the training sample, the third
//! delta C9, the seventeenth image. Each descent hashes with BLAKE3, so that keys with any difference share nothing.
//! Block `b` of a key is a set of eight PCG generators (XSH-RR 64/32, O'Neill 2014) whose states and increments are
//! 1016 bits of the key's hash of `b`: any block can be had without those before, and which thread asks
//! does not matter. The eight take turns, so that the compiler makes them one generator of vectors.

use humboldt_physics::kinematics::Rotation;
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::{Pcg32, Pcg64};

/// Generators of one block.
const LANES: usize = 8;

/// Events of one block of a stream.
pub const BLOCK: usize = 4096;

/// Separates these streams from any other use of BLAKE3 on the same numbers; a new text is a new generation of streams.
const CONTEXT: &str = "humboldt 2026 random streams 2";

/// Names one random stream: a seed and a path of labelled indices below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey([u8; 32]);

impl StreamKey {
    /// The key at the root of everything that a seed makes.
    pub fn new(seed: u64) -> Self {
        Self(blake3::derive_key(CONTEXT, &seed.to_le_bytes()))
    }

    /// The key of one part, as in `StreamKey::new(seed).child("test", 0).child("delta_c9", 3).child("image", 17)`.
    #[must_use]
    pub fn child(self, label: &str, index: u64) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        // The label last: a fixed-length index in front of it leaves one way only to split the bytes.
        hasher.update(&index.to_le_bytes()).update(label.as_bytes());
        Self(*hasher.finalize().as_bytes())
    }

    /// The generator of one block of this stream.
    pub fn block(self, index: u64) -> BlockRng {
        let mut seeds = [[0; 16]; LANES];
        blake3::Hasher::new_keyed(&self.0)
            .update(&index.to_le_bytes())
            .finalize_xof()
            .fill(seeds.as_flattened_mut());
        BlockRng { lanes: seeds.map(Pcg32::from_seed) }
    }
}

/// The random words of one block.
#[derive(Debug, Clone)]
pub struct BlockRng {
    lanes: [Pcg32; LANES],
}

impl BlockRng {
    /// Fills `words` with uniform bits, the generators in turn, from the first one.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]
    pub(crate) fn fill_words(&mut self, words: &mut [u32]) {
        // A copy can stay in registers.
        let mut lanes = self.lanes.clone();
        let (groups, rest) = words.as_chunks_mut();
        for group in groups {
            *group = std::array::from_fn::<_, LANES, _>(|lane| lanes[lane].next_u32());
        }
        for (word, lane) in rest.iter_mut().zip(&mut lanes) {
            *word = lane.next_u32();
        }
        self.lanes = lanes;
    }

    /// Uniform in [0, 1), in steps of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.lanes[0].next_u64() >> 11) as f64 * STEP
    }
}

/// The generator of a seed that has one stream alone, or parts of one that are far apart.
pub fn seeded(seed: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed)
}

/// The generator of one number of a seed, for shuffles, masks and the like that are no events: its state comes from the
/// seed, and its increment, by which streams of a PCG differ, is the number.
pub fn numbered(seed: u64, number: u128) -> Pcg64 {
    let state = seeded(seed).random::<u64>();
    of_state(state, number)
}

/// The generator of a state and a number, without [`numbered`]'s step from a seed to its state. Orders of images and choices of
/// cells follow from it in every run that was ever made; what is new takes [`numbered`], whose seeds are far apart.
pub fn of_state(state: u64, number: u128) -> Pcg64 {
    Pcg64::new(state.into(), number)
}

/// Words that [`Draws`] fetches at a time.
const WORDS: usize = 256;

/// Random numbers of one block, one after another: for what needs another number of them for every event.
#[derive(Debug, Clone)]
pub(crate) struct Draws {
    rng: BlockRng,
    words: [u32; WORDS],
    next: usize,
}

impl Draws {
    pub(crate) const fn new(rng: BlockRng) -> Self {
        Self { rng, words: [0; WORDS], next: WORDS }
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.rng.fill_words(&mut self.words);
            self.next = 0;
        }
        self.next += 1;
        self.words[self.next - 1]
    }

    /// Uniform in [0, 1), in steps of 2^-32.
    pub(crate) fn uniform(&mut self) -> f64 {
        f64::from(self.word()) * 2.0_f64.powi(-32)
    }

    /// Uniform in (0, 1], in steps of 2^-32.
    pub(crate) fn uniform_above_zero(&mut self) -> f64 {
        1.0 - self.uniform()
    }

    /// Uniform in [0, 2 pi).
    pub(crate) fn angle(&mut self) -> f64 {
        std::f64::consts::TAU * self.uniform()
    }

    /// Any orientation, all equally probable.
    pub(crate) fn rotation(&mut self) -> Rotation {
        Rotation::from_uniform([self.uniform(), self.uniform(), self.uniform()])
    }

    /// Three independent normal numbers, by the method of Box and Muller; none beyond 6.7.
    pub(crate) fn normals(&mut self) -> [f64; 3] {
        let mut radius = || (-2.0 * self.uniform_above_zero().ln()).sqrt();
        let (first, second) = (radius(), radius());
        let (sin, cos) = self.angle().sin_cos();
        [first * sin, first * cos, second * self.angle().cos()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn words(key: StreamKey, block: u64) -> Vec<u64> {
        let mut words = vec![0; 512];
        key.block(block).fill_words(&mut words);
        words.as_chunks().0.iter().map(|[low, high]| u64::from(*low) | u64::from(*high) << 32).collect()
    }

    #[test]
    fn streams_of_different_keys_and_blocks_share_no_word() {
        let root = StreamKey::new(1);
        let keys = [
            root,
            StreamKey::new(2),
            root.child("image", 0),
            root.child("image", 1),
            root.child("image", 0).child("image", 0),
            root.child("imag", 0),
            root.child("", 0),
        ];
        let mut seen = HashSet::new();
        for key in keys {
            for block in [0, 1, 2, u64::MAX] {
                for word in words(key, block) {
                    assert!(seen.insert(word), "word {word:x} came twice");
                }
            }
        }
    }

    #[test]
    fn order_of_descent_matters() {
        let root = StreamKey::new(7);
        assert_ne!(root.child("a", 1).child("b", 2), root.child("b", 2).child("a", 1));
    }

    #[test]
    fn regress_first_words_of_a_stream() {
        // Runs must be repeatable with later versions: a change here is a change of every sample ever made.
        assert_eq!(
            words(StreamKey::new(1).child("events", 0), 0)[..2],
            [7_336_400_974_672_802_656, 10_094_867_061_172_520_389]
        );
    }

    #[test]
    fn regress_first_words_of_the_generators_of_what_is_no_event() {
        assert_eq!(seeded(1).next_u64(), 15_492_934_433_077_865_799);
        assert_eq!(numbered(3, (2 << 64) | 3).next_u64(), 7_821_805_215_250_444_576);
        assert_eq!(of_state(7, 0).next_u64(), 3_794_662_832_601_335_865);
    }

    #[test]
    fn generators_of_a_block_are_uncorrelated() {
        let mut words = vec![0_u32; LANES * 4096];
        StreamKey::new(4).block(0).fill_words(&mut words);
        for step in 1..LANES {
            let equal: u32 = words.windows(step + 1).map(|w| (w[0] ^ w[step]).count_zeros()).sum();
            let tosses = 32 * (words.len() - step) as u32;
            // Five standard deviations of a coin.
            assert!(equal.abs_diff(tosses / 2) < 5 * tosses.isqrt() / 2, "{step}: {equal} of {tosses}");
        }
    }

    #[test]
    fn words_do_not_depend_on_how_they_are_asked_for() {
        let mut all = vec![0_u32; 10 * LANES];
        let mut parts = all.clone();
        StreamKey::new(4).block(1).fill_words(&mut all);
        let mut rng = StreamKey::new(4).block(1);
        let (first, second) = parts.split_at_mut(3 * LANES);
        rng.fill_words(first);
        rng.fill_words(second);
        assert_eq!(all, parts);
    }

    #[test]
    fn drawn_numbers_have_their_moments() {
        let mut draws = Draws::new(StreamKey::new(6).block(0));
        let (mut sums, n) = ([0.0; 5], 40_000);
        for _ in 0..n {
            let [a, b, c] = draws.normals();
            for (sum, x) in sums.iter_mut().zip([
                a + b + c,
                a * a + b * b + c * c - 3.0,
                a * b,
                b * c,
                draws.uniform() - 0.5,
            ]) {
                *sum += x;
            }
        }
        // Five standard deviations: of a sum of three, of chi-square with three degrees, of products, of a uniform number.
        for (sum, sigma) in
            sums.iter().zip([3.0_f64.sqrt(), 6.0_f64.sqrt(), 1.0, 1.0, 12.0_f64.sqrt().recip()])
        {
            assert!((sum / sigma).abs() < 5.0 * f64::from(n).sqrt(), "{sums:?}");
        }
    }

    #[test]
    fn bits_of_neighbouring_blocks_are_uncorrelated() {
        let key = StreamKey::new(3);
        let (a, b) = (words(key, 10), words(key, 11));
        let equal: u32 = a.iter().zip(&b).map(|(a, b)| (a ^ b).count_zeros()).sum();
        // 256 * 64 coin tosses: mean 8192, sigma 64.
        assert!(equal.abs_diff(8192) < 5 * 64, "{equal} of 16384 bits agree");
    }
}
