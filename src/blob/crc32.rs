//! CRC-32 (ISO-HDLC) with a table of 16 entries: 15 instructions a byte on a Cortex-M, 64 bytes of
//! flash.

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

/// The CRC-32 of `bytes`, as zlib, Ethernet and PNG have it.
#[must_use]
#[inline(never)]
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut c = !0u32;
    for &b in bytes {
        c ^= u32::from(b);
        // `c & 15` is below the table's length, which the compiler sees: no bounds check.
        c = (c >> 4) ^ TABLE[(c & 15) as usize];
        c = (c >> 4) ^ TABLE[(c & 15) as usize];
    }
    !c
}
