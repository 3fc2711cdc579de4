//! The trailer of a signed model: what follows the blob. `docs/format.md` describes it byte by byte.

use crate::Refused;

/// The first four bytes of a trailer.
pub const MAGIC: [u8; 4] = *b"MMSG";
/// The version of the trailer that this crate reads.
pub const VERSION: u16 = 1;
/// The number of Ed25519, the one algorithm there is.
pub const ED25519: u16 = 1;
/// Bytes of a trailer before its signature, which are signed with the blob.
pub const HEAD: usize = 16;
/// Bytes of a trailer.
pub const LENGTH: usize = HEAD + 64;
/// How many of a public key's bytes a trailer has, to tell another key from a wrong signature.
pub const HINT: usize = 8;

/// Returns the signed part of the trailer that a signature with this public key needs.
#[must_use]
pub fn head(key: &[u8; 32]) -> [u8; HEAD] {
    let [m0, m1, m2, m3] = MAGIC;
    let ([v0, v1], [a0, a1]) = (VERSION.to_le_bytes(), ED25519.to_le_bytes());
    let [k0, k1, k2, k3, k4, k5, k6, k7, ..] = *key;
    [
        m0, m1, m2, m3, v0, v1, a0, a1, k0, k1, k2, k3, k4, k5, k6, k7,
    ]
}

/// Returns the signature in a trailer that may hold one by this key.
pub(crate) fn signature<'t>(trailer: &'t [u8], key: &[u8; 32]) -> Result<&'t [u8; 64], Refused> {
    let Some((found, rest)) = trailer.split_first_chunk::<HEAD>() else {
        return Err(Refused::Unsigned);
    };
    let (Some(signature), [m0, m1, m2, m3, v0, v1, a0, a1, hint @ ..]) =
        (rest.first_chunk::<64>(), *found)
    else {
        return Err(Refused::Unsigned);
    };
    if [m0, m1, m2, m3] != MAGIC {
        return Err(Refused::Unsigned);
    }
    let (version, algorithm) = (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([a0, a1]));
    if version != VERSION || algorithm != ED25519 {
        return Err(Refused::Trailer { version, algorithm });
    }
    if key.first_chunk::<HINT>() != Some(&hint) {
        return Err(Refused::Key { found: hint });
    }
    Ok(signature)
}
