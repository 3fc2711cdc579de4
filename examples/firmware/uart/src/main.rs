//! A model arrives over a UART, is checked, and only then takes over; the old one serves all the
//! while. A transfer that was damaged on its way changes nothing.
//!
//! `cargo xtask uart` plays the sender, with 1,000 transfers of which most are damaged.
#![no_std]
#![no_main]

mod receiver;
mod serial;
// `mmoe codegen small.mmoe -o small.rs` wrote this file for the blob beside it.
#[rustfmt::skip]
mod small;

use embedded_io::{Read, Write};
use mmoe::blob::Blob;
use mmoe::{Aligned, LoadError};
use receiver::{Event, Receiver};
use semihosting::{println, process};
use serial::Serial;
use small::Model;

/// Room for one blob, at the alignment that a blob needs.
type Buffer = Aligned<[u8; 4 * 1024]>;

/// What ends a model's service.
enum End {
    /// The spare buffer holds another blob, which has been checked.
    Replaced,
    /// The sender is done.
    Quit,
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let mut serial = Serial::new();
    // Two buffers: one model serves from the first while another one arrives in the second.
    let (mut a, mut b): (Buffer, Buffer) = (Aligned([0; _]), Aligned([0; _]));
    let (mut serving, mut spare) = (&mut a, &mut b);
    // The model in flash serves first.
    let mut end = serve(small::BLOB, spare, &mut serial);
    while let Ok(End::Replaced) = end {
        core::mem::swap(&mut serving, &mut spare);
        end = serve(&serving[..], spare, &mut serial);
    }
    match end {
        Ok(_) => process::exit(0),
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    }
}

/// Serves one model until `spare` holds another one that is whole and fits the type.
fn serve(blob: &[u8], spare: &mut Buffer, serial: &mut Serial) -> Result<End, LoadError> {
    let blob = Blob::open(blob)?;
    let (id, model) = (blob.id(), Model::from_blob(&blob)?);
    // What a sensor would measure.
    let features: [f32; small::INPUTS] = core::array::from_fn(|i| i as f32 / 16.0);
    let before = model.predict(&features);
    let mut receiver = Receiver::new();
    loop {
        let mut byte = [0];
        // This UART's errors are `Infallible`; another one's go to whoever can do something.
        let Ok(_) = serial.read(&mut byte);
        match receiver.byte(byte[0], &mut spare[..]) {
            Event::None => {}
            // The old model can be asked at any time, and answers as it did before.
            Event::Frame => assert!(model.predict(&features) == before),
            // All that arrived is in the buffer. `load` is what accepts or refuses it: damage, a
            // blob that is cut short, and a blob of another model.
            Event::Complete => {
                if Model::load(&spare[..]).is_ok() {
                    return Ok(End::Replaced);
                }
            }
            // Which model serves, and what it says.
            Event::Query => {
                let y = model.predict(&features);
                for answer in [
                    id.checksum.to_le_bytes(),
                    y.a.to_le_bytes(),
                    y.b.to_le_bytes(),
                ] {
                    let Ok(()) = serial.write_all(&answer);
                }
            }
            Event::Quit => return Ok(End::Quit),
        }
    }
}
