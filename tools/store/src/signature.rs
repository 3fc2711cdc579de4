//! Ed25519, as RFC 8032 verifies it. The curve is `salty`'s.

use crate::sha512::sha512;
use salty::{CompressedY, EdwardsPoint};

/// A number of 256 bits, its lowest word first.
type Number = [u32; 8];

/// The order of the group: scalars are below it.
const ORDER: Number = [
    0x5cf5_d3ed,
    0x5812_631a,
    0xa2f7_9cd6,
    0x14de_f9de,
    0,
    0,
    0,
    0x1000_0000,
];

/// Returns a − b, and whether that is below zero.
fn minus(a: &Number, b: &Number) -> (Number, bool) {
    let mut borrow = false;
    let mut difference = *a;
    for (a, b) in difference.iter_mut().zip(b) {
        let (word, first) = a.overflowing_sub(*b);
        let (word, second) = word.overflowing_sub(u32::from(borrow));
        (*a, borrow) = (word, first | second);
    }
    (difference, borrow)
}

/// Returns the bits of words, the lowest of which is first; the highest bit first.
fn bits(words: &[[u8; 4]]) -> impl Iterator<Item = bool> {
    words.iter().rev().flat_map(|word| {
        let word = u32::from_le_bytes(*word);
        (0..32).rev().map(move |bit| word >> bit & 1 != 0)
    })
}

/// A number modulo the order. Bit by bit: that takes a thousandth of the time that the points take,
/// and a tenth of the code of faster ways.
#[inline(never)]
fn reduced(words: &[[u8; 4]]) -> Number {
    let mut number = [0; 8];
    for bit in bits(words) {
        // Below twice the order and so below 2^254: nothing is shifted out.
        let mut carry = u32::from(bit);
        for word in &mut number {
            (*word, carry) = (*word << 1 | carry, *word >> 31);
        }
        if let (rest, false) = minus(&number, &ORDER) {
            number = rest;
        }
    }
    number
}

/// Returns whether a signature of a message holds.
///
/// The one equation R = s·B − k·A with both products in one pass: all of it is public, so it need not
/// take the same time for all of them, as signing must. A scalar s that is not reduced is refused, as
/// the RFC asks.
#[inline(never)]
pub(crate) fn holds(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Some((r, s)) = signature.split_first_chunk::<32>() else {
        return false;
    };
    let Ok(a) = CompressedY(*key).decompressed() else {
        return false;
    };
    let (s, _) = s.as_chunks::<4>();
    let words = reduced(s).map(u32::to_le_bytes);
    if words != *s {
        return false;
    }
    let k = reduced(sha512([r, key, message]).as_chunks().0).map(u32::to_le_bytes);
    let (b, minus_a) = (EdwardsPoint::basepoint(), -&a);
    let both = &b + &minus_a;
    let mut sum = EdwardsPoint::neutral_element();
    for bits in bits(s).zip(bits(&k)) {
        sum = &sum + &sum;
        sum = match bits {
            (false, false) => continue,
            (true, false) => &sum + &b,
            (false, true) => &sum + &minus_a,
            (true, true) => &sum + &both,
        };
    }
    sum.compressed().0 == *r
}

#[cfg(test)]
mod tests {
    use super::holds;
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
    use std::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(digit).collect()
    }

    /// The vectors of RFC 8032, section 7.1: public key, message, signature.
    const RFC: [[&str; 3]; 3] = [
        [
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b4\
             6bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d\
             8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6\
             594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];

    #[test]
    fn the_vectors_of_the_rfc_hold() {
        for [key, message, signature] in RFC {
            let (key, message, signature) = (hex(key), hex(message), hex(signature));
            let (key, signature) = (key.try_into().unwrap(), signature.try_into().unwrap());
            assert!(holds(&key, &message, &signature));
            assert!(!holds(&key, &[&message[..], &[0]].concat(), &signature));
        }
    }

    #[test]
    fn it_agrees_with_another_implementation() {
        let mut seed = [7; 32];
        let mut held = 0;
        for round in 0..400u32 {
            seed[..4].copy_from_slice(&round.to_le_bytes());
            let signer = SigningKey::from_bytes(&seed);
            let mut message: Vec<u8> = (0..round).map(|i| (i * round) as u8).collect();
            let mut key = signer.verifying_key().to_bytes();
            let mut signature = signer.sign(&message).to_bytes();
            // One bit of one of them, but for every fifth.
            let bit = 1 << (round % 8);
            let at = (round as usize * 7) % 32;
            match round % 5 {
                0 => signature[at] ^= bit,
                1 => signature[32 + at] ^= bit,
                2 => key[at] ^= bit,
                3 => message.push(bit),
                _ => {}
            }
            let wanted = VerifyingKey::from_bytes(&key).is_ok_and(|key| {
                key.verify_strict(&message, &Signature::from_bytes(&signature))
                    .is_ok()
            });
            assert_eq!(holds(&key, &message, &signature), wanted, "round {round}");
            held += u32::from(wanted);
        }
        assert_eq!(held, 80);
    }
}
