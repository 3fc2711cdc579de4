//! Numbers that every machine makes alike.

/// A 32-bit xorshift generator (Marsaglia, 13-17-5).
pub(crate) struct Random(u32);

impl Random {
    pub(crate) const fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.next()) * n as u64) >> 32) as usize
    }

    /// Any int16, the ends more often.
    pub(crate) fn int16(&mut self) -> i16 {
        match self.below(8) {
            0 => [i16::MIN, i16::MAX, 0, -1][self.below(4)],
            _ => (self.next() >> 9) as i16,
        }
    }

    /// Any float: mostly moderate ones, then any bits, then the special ones.
    pub(crate) fn float(&mut self) -> f32 {
        const SPECIAL: [f32; 8] = [
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN_POSITIVE,
            -0.0,
            0.0,
            1.0e-45,
        ];
        match self.below(64) {
            0 => SPECIAL[self.below(SPECIAL.len())],
            1 => f32::from_bits(self.next()),
            _ => self.next() as i32 as f32 * (1.0 / (1u32 << 28) as f32),
        }
    }
}
