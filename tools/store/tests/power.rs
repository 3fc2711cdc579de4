//! The power is cut at every write and at every byte of it: what serves afterwards is the old model or
//! the new one, whole and signed.

mod device;

use device::{After, Device, cut, signed};
use testkit::Rng;

/// Cuts an update at every step, on flash whose interrupted words read as this seed says.
fn every_step<const W: usize, const E: usize>(seed: u64) {
    let [old, new, newer] = [1, 2, 3].map(signed);
    let (mut olds, mut news) = (0, 0);
    for steps in 0..steps_of(&new) {
        let mut device = Device::<W, E>::new(seed + steps);
        device.install(&old).unwrap();
        device.start();
        let after = cut(&mut device, &old, &new, 48, steps);
        match &after {
            After::Old => olds += 1,
            After::New => news += 1,
        }
        // The sender tries again, or sends the next one, and another cut is no worse.
        let (live, next) = match after {
            After::Old => (&old, &new),
            After::New => (&new, &newer),
        };
        cut(&mut device, live, next, 64, steps % 40);
    }
    assert!(olds > new.len(), "{olds} cuts left the old model");
    assert!(news > 0);
}

/// More steps than an update of this file takes: its bytes, three records and all blocks.
fn steps_of(file: &[u8]) -> u64 {
    file.len() as u64 + 3 * 64 + 10
}

#[test]
fn every_step_of_words_of_4_bytes() {
    every_step::<4, 256>(0);
}

#[test]
fn every_step_of_single_bytes() {
    every_step::<1, 512>(10_000);
}

#[test]
fn every_step_of_words_of_8_and_32_bytes() {
    every_step::<8, 1024>(20_000);
    every_step::<32, 2048>(30_000);
}

/// A device that lives through many updates, each cut somewhere.
#[test]
fn some_thousand_updates_with_random_cuts() {
    let mut rng = Rng::new(7);
    let tally = device::life::<4, 256>(&mut rng, 2_000);
    assert!(tally.old > 100 && tally.new > 100, "{tally:?}");
}
