//! Blobs whose bytes changed on the way.

use super::{both, survives};
use mmoe::LoadError;
use mmoe::blob::{Blob, PREAMBLE};
use mmoe_tools::blob::file::seal;
use mmoe_tools::engine::BlobBytes;
use testkit::Rng;

#[test]
fn whole_blobs_load() {
    for (name, blob, load) in super::subjects() {
        let y = load(&blob).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            y.iter().all(|y| y.is_finite() && *y != 0.0),
            "{name}: {y:?}"
        );
        assert!(survives(&blob, load), "{name}");
        // Bytes behind the total length are flash that belongs to somebody else.
        assert_eq!(
            load(&BlobBytes::new(&[&blob[..], &[0xff; 100]].concat())),
            Ok(y)
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    for (_, blob, load) in super::subjects() {
        for length in 0..blob.len() {
            let needed = if length < PREAMBLE {
                PREAMBLE
            } else {
                blob.len()
            };
            let error = both(&BlobBytes::new(&blob[..length]), load);
            assert_eq!(
                error,
                LoadError::Truncated {
                    needed: needed as u32,
                    found: length as u32
                }
            );
        }
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for (name, blob, load) in super::subjects() {
        let mut flipped = blob.clone();
        for bit in 0..blob.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = both(&flipped, load);
            let total = u32::from_le_bytes(flipped[6..10].try_into().unwrap()) as usize;
            let right = match bit / 8 {
                0..4 => matches!(error, LoadError::Magic { .. }),
                4..6 => matches!(error, LoadError::Version { .. }),
                6..10 if !(PREAMBLE..=blob.len()).contains(&total) => {
                    matches!(error, LoadError::Truncated { .. })
                }
                _ => matches!(error, LoadError::Checksum { .. }),
            };
            assert!(right, "{name}, bit {bit}: {error}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// What a type may say of a changed byte of the header, by where it lies.
fn fits(at: usize, records: usize, error: LoadError) -> bool {
    // One input, 6 steps, the layers and 2 tasks, each list behind a count of one byte.
    let nodes = PREAMBLE + 1 + 8;
    let layers = nodes + 1 + 6 * 16;
    let tasks = layers + 1 + records * 8;
    let names = tasks + 1 + 2 * 8;
    match at {
        0..4 => matches!(error, LoadError::Magic { .. }),
        4..6 => matches!(error, LoadError::Version { .. }),
        _ if at == nodes - 9 || at == nodes || at == layers || at == tasks || at >= names => {
            matches!(
                error,
                LoadError::Header
                    | LoadError::Section { .. }
                    | LoadError::Inputs { .. }
                    | LoadError::Weights { .. }
                    | LoadError::Alignment { .. }
                    | LoadError::Task { .. }
            )
        }
        _ if at < nodes => matches!(error, LoadError::Inputs { .. }),
        _ if at < layers => matches!(error, LoadError::Wiring { .. } | LoadError::Layer { .. }),
        _ if at < tasks => matches!(error, LoadError::Layer { .. } | LoadError::Packing { .. }),
        _ => matches!(error, LoadError::Task { .. }),
    }
}

#[test]
fn every_flipped_bit_under_a_good_checksum_is_refused_or_safe() {
    for (name, blob, load) in super::subjects() {
        let (mut flipped, mut accepted) = (blob.clone(), 0);
        let records = Blob::open(&blob).unwrap().layers.len();
        for bit in 0..blob.len() * 8 {
            flipped.copy_from_slice(&blob);
            flipped[bit / 8] ^= 1 << (bit % 8);
            seal(&mut flipped);
            accepted += usize::from(survives(&flipped, load));
            if let Err(error) = load(&flipped) {
                assert!(fits(bit / 8, records, error), "{name}, bit {bit}: {error}");
            }
        }
        // The weights are more than half of it, and any are accepted.
        assert!(
            accepted > blob.len() * 4,
            "{name}: {accepted} of {} accepted",
            blob.len() * 8
        );
    }
}

#[test]
fn a_hundred_thousand_mutations_under_a_good_checksum_are_refused_or_safe() {
    let subjects = super::subjects();
    let mut rng = Rng::new(2);
    let mut accepted = 0;
    for round in 0..100_000 {
        let (_, blob, load) = &subjects[round % subjects.len()];
        let mut changed = blob.to_vec();
        for _ in 0..rng.within(1, 4) {
            // Half of the changes meet the header, which is less than half of the bytes.
            let end = if rng.one_in(2) { 300 } else { changed.len() };
            let at = rng.within(PREAMBLE, end.min(changed.len()) - 1);
            match rng.below(8) {
                0 => changed[at] ^= 1 << rng.below(8),
                1 | 2 => changed[at] = rng.pick(&[0, 1, 2, 3, 0x7f, 0x80, 0xff]),
                3 | 4 => changed[at] = rng.bits() as u8,
                5 => changed.insert(at, rng.bits() as u8),
                6 => drop(changed.remove(at)),
                _ => {
                    let from = rng.within(PREAMBLE, changed.len() - 1);
                    let n = rng.within(1, 16).min(changed.len() - at.max(from));
                    changed.copy_within(from..from + n, at);
                }
            }
        }
        seal(&mut changed);
        let bytes = BlobBytes::new(&changed);
        accepted += usize::from(survives(&bytes, *load));
    }
    assert!(
        accepted > 10_000,
        "{accepted} accepted: the mutations do not get far"
    );
}

#[test]
fn a_blob_beside_its_alignment_is_refused() {
    for (_, blob, load) in super::subjects() {
        for offset in 1..8 {
            let buffer = BlobBytes::new(&[&vec![0; offset], &blob[..]].concat());
            let moved = &buffer[offset..];
            // The weights lie at a multiple of 64 from the blob's start; 4 is what their types
            // need.
            let beyond = (moved.as_ptr() as usize & 63) as u32;
            match offset {
                4 => assert_eq!(load(moved), load(&blob)),
                _ => assert_eq!(both(moved, load), LoadError::Alignment { offset: beyond }),
            }
        }
    }
}
