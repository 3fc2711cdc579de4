//! A small seeded generator: the same model is tried with the same rows wherever it is converted.

/// Marsaglia's 64-bit xorshift (13, 7, 17).
pub(crate) struct Random(u64);

impl Random {
    /// A generator; `seed` is not 0.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from `low` to below `high`.
    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + (high - low) * ((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
