//! Rows of features that every machine makes alike.

/// A 32-bit xorshift generator (Marsaglia, 13-17-5).
#[derive(Clone, Debug)]
pub struct Rng(u32);

impl Rng {
    /// Starts at `seed`; 0, which the generator never leaves, counts as 1.
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next 32 bits.
    pub const fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number in `-2.0..2.0`: 24 bits and a power of two, so that no rounding enters.
    pub fn feature(&mut self) -> f32 {
        ((self.next_u32() >> 8) as i32 - (1 << 23)) as f32 * (1.0 / (1u32 << 22) as f32)
    }
}

/// The next row.
pub fn fill(rng: &mut Rng, row: &mut [f32]) {
    for x in row {
        *x = rng.feature();
    }
}
