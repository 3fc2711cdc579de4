//! A model in flash: identified and checked at boot, then run on one row of features.
#![no_std]
#![no_main]

// `mmoe codegen edge.mmoe -o edge.rs` wrote this file for the blob beside it.
#[rustfmt::skip]
mod edge;

use mmoe::SelfTestError;
use mmoe::blob::Blob;
use semihosting::{println, process};

#[cortex_m_rt::entry]
fn main() -> ! {
    match run() {
        Ok(()) => process::exit(0),
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    }
}

fn run() -> Result<(), SelfTestError> {
    // Finds damage: the length and the checksum of all bytes must be right.
    let blob = Blob::open(edge::BLOB)?;
    let id = blob.id();
    println!(
        "model {}, version {}, checksum {:08x}",
        id.name, id.version, id.checksum
    );
    // Finds another model: every layer must be the one that the type has in its place.
    let model = edge::Model::from_blob(&blob)?;
    // Finds a core, a compiler or a memory at fault: rows in the blob must give their stored bits.
    let rows = model.self_test(&blob)?;
    println!("self-test passed, {rows} rows");

    // From here on nothing can fail. Your sensors' values stand in place of this ramp.
    let features: [f32; edge::INPUTS] = core::array::from_fn(|i| i as f32 / 64.0);
    let y = model.predict(&features);
    println!("y0 {}, y1 {}, y2 {}", y.y0, y.y1, y.y2);
    Ok(())
}
