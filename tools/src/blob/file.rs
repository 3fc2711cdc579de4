//! Header and weights to the bytes of a blob.

use super::message::Header;
use mmoe::blob::{MAGIC, PREAMBLE, VERSION, WEIGHTS_ALIGN};

/// CRC-32 as the preamble has it.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}

fn varint(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// The bytes of a blob: preamble, header, zeros up to a multiple of 64, weights.
///
/// # Panics
///
/// If the blob would be larger than 4 GB, which its format cannot say.
pub(super) fn write(header: &Header, weights: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(PREAMBLE + 4096 + weights.len());
    file.extend(MAGIC.to_le_bytes());
    file.extend(VERSION.to_le_bytes());
    file.extend([0; 8]);
    file = postcard::to_extend(header, file).expect("a vector has room");
    let mut length = Vec::new();
    varint(&mut length, weights.len());
    // The padding is below 64 bytes, so its own length takes one byte.
    let bare = file.len() + 1 + length.len();
    let pad = bare.next_multiple_of(WEIGHTS_ALIGN) - bare;
    varint(&mut file, pad);
    file.resize(file.len() + pad, 0);
    file.extend(length);
    file.extend(weights);
    seal(&mut file);
    file
}

/// Sets total length and checksum to what the bytes are.
///
/// # Panics
///
/// If the blob is shorter than its preamble, or larger than 4 GB.
pub fn seal(file: &mut [u8]) {
    let total = u32::try_from(file.len()).expect("a blob is smaller than 4 GB");
    file[6..10].copy_from_slice(&total.to_le_bytes());
    let sum = checksum(&file[PREAMBLE..]);
    file[10..14].copy_from_slice(&sum.to_le_bytes());
}
