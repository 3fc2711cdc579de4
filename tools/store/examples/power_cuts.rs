//! Simulates updates whose power is cut at random: `cargo run --release -p mmoe-store --example
//! power_cuts -- 1000000`. It stops at the first one after which no signed model serves.

#[path = "../tests/device/mod.rs"]
mod device;

use std::time::Instant;
use testkit::Rng;

fn main() {
    let number = |n: usize, default| {
        std::env::args()
            .nth(n)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (updates, seed) = (number(1, 100_000), number(2, 1));
    let start = Instant::now();
    let mut rng = Rng::new(seed);
    let mut all = device::Tally::default();
    // A quarter on each kind of flash.
    all.add(&device::life::<1, 256>(&mut rng, updates / 4));
    all.add(&device::life::<4, 512>(&mut rng, updates / 4));
    all.add(&device::life::<8, 1024>(&mut rng, updates / 4));
    all.add(&device::life::<32, 2048>(
        &mut rng,
        updates - updates / 4 * 3,
    ));
    println!(
        "{updates} updates, {} cut: the old model served after {}, the new one after {}, no model after \
         none; {} devices, {:.0?}",
        all.cut,
        all.old,
        all.new,
        all.devices,
        start.elapsed()
    );
}
