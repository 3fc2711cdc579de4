//! CRC-32 (ISO-HDLC) with a table of 16 entries: 15 instructions a byte on a Cortex-M, 64 bytes of
//! flash.

#[expect(clippy::indexing_slicing, reason = "computed at compile time")]
const TABLE: [u32; 16] = {
    let mut table = [0u32; 16];
    let mut i = 0;
    while i < 16 {
        let mut c = i as u32;
        let mut bit = 0;
        while bit < 4 {
            c = if c & 1 != 0 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            };
            bit += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
};

/// The CRC-32 of bytes that come in pieces: a receiver of a blob keeps it up to date while it
/// writes flash, and need not read all of it again.
///
/// ```
/// use mmoe::blob::{Crc32, crc32};
/// let mut sum = Crc32::new();
/// sum.update(b"123");
/// sum.update(b"456789");
/// assert_eq!(sum.finish(), 0xCBF4_3926);
/// assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Crc32(u32);

impl Crc32 {
    /// Of no bytes yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(!0)
    }

    /// Takes the next bytes in.
    #[inline(never)]
    #[expect(
        clippy::indexing_slicing,
        reason = "15 is the last index, which the compiler sees"
    )]
    pub fn update(&mut self, bytes: &[u8]) {
        let mut c = self.0;
        for &b in bytes {
            c ^= u32::from(b);
            c = (c >> 4) ^ TABLE[(c & 15) as usize];
            c = (c >> 4) ^ TABLE[(c & 15) as usize];
        }
        self.0 = c;
    }

    /// The sum of all bytes so far.
    #[must_use]
    pub const fn finish(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}

/// The CRC-32 of `bytes`, as zlib, Ethernet and PNG have it: [`Crc32`] in one piece.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = Crc32::new();
    sum.update(bytes);
    sum.finish()
}
