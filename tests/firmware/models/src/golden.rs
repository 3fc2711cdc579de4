//! What the host computed for the seeded rows: two digests and the first rows' bits. Of models that take
//! records there are the digests alone.

use crate::{Digest, Numbers, Rng, Subject, fill};
use mmoe::zerocopy::FromZeros;

/// So many rows are kept number by number, so that a core that differs can say where.
pub const GOLDEN_ROWS: usize = 8;

/// A `.golden` file: the digest of 100 rows, of 1,000 rows, then for each of [`GOLDEN_ROWS`] the
/// outputs and the gate weights.
#[derive(Clone, Copy, Debug)]
pub struct Golden<'a>(pub &'a [u8]);

impl Golden<'_> {
    /// The seed of all rows.
    pub const SEED: u32 = 2018;

    fn word(&self, at: usize) -> Option<u32> {
        self.0
            .as_chunks::<4>()
            .0
            .get(at)
            .map(|b| u32::from_le_bytes(*b))
    }

    /// The digest of so many rows (100 or 1,000).
    #[must_use]
    pub fn digest(&self, rows: usize) -> Option<Digest> {
        let at = match rows {
            100 => 0,
            1000 => 2,
            _ => return None,
        };
        Some(Digest(
            u64::from(self.word(at)?) | u64::from(self.word(at + 1)?) << 32,
        ))
    }

    /// Whether a number of the rows kept has these bits; `at` counts from the first row's first
    /// output.
    #[must_use]
    pub fn agrees(&self, at: usize, bits: u32) -> bool {
        self.word(4 + at) == Some(bits)
    }

    /// How many numbers are kept.
    #[must_use]
    pub fn numbers(&self) -> usize {
        (self.0.len() / 4).saturating_sub(4)
    }
}

/// Gives `out` what a `.golden` file holds for this model, word by word.
pub fn make<M: Subject>(model: &M, out: &mut dyn FnMut(u32)) {
    let mut digest = Digest::default();
    let mut row = M::Row::new_zeroed();
    let mut rng = Rng::new(Golden::SEED);
    for n in 1..=1000 {
        fill(&mut rng, row.as_mut());
        digest.row(model, &row);
        if n == 100 || n == 1000 {
            out(digest.0 as u32);
            out((digest.0 >> 32) as u32);
        }
    }
    let mut rng = Rng::new(Golden::SEED);
    for _ in 0..GOLDEN_ROWS {
        fill(&mut rng, row.as_mut());
        let (shown, gates, _) = model.traced(&row);
        shown.each(&mut |bits, _| out(bits));
        gates.each(&mut |bits, _| out(bits));
    }
}
