//! A model that arrives over the UART in COBS frames, is checked, and only then takes over; the old
//! one serves all the while.
//!
//! `cargo xtask uart` plays the sender, with 1,000 transfers of which most are damaged on the way.
#![no_std]
#![no_main]

mod receiver;
mod serial;

use firmware_common::{Board, Failed};
use firmware_models::{Numbers, Rng, Small, blobs, fill};
use mmoe::{Aligned, I8};
use receiver::{Event, Receiver};
use serial::Serial;

type Model = Small<I8>;
/// Room for one blob.
type Buffer = Aligned<[u8; 4 * 1024]>;

firmware_common::image!(
    Board {
        name: "uart",
        per_two_ticks: 80,
        fpu: true,
        roomy: true
    },
    run
);

/// What ended a model's service.
enum End {
    /// The spare buffer holds a checked blob.
    Replaced,
    /// The sender is done.
    Quit,
}

fn run(_: &Board) -> Result<(), Failed> {
    let mut serial = Serial::new();
    let (mut a, mut b) = (Aligned([0; 4 * 1024]), Aligned([0; 4 * 1024]));
    let (mut serving, mut spare): (&mut Buffer, &mut Buffer) = (&mut a, &mut b);
    // The model in flash serves first.
    let first: &[u8] = blobs::SMALL_I8.0;
    let mut end = serve(first, spare, &mut serial)?;
    while let End::Replaced = end {
        core::mem::swap(&mut serving, &mut spare);
        end = serve(&serving[..], spare, &mut serial)?;
    }
    Ok(())
}

/// Serves one model until `spare` holds another one that is whole and fits the type.
fn serve(blob: &[u8], spare: &mut Buffer, serial: &mut Serial) -> Result<End, Failed> {
    let model = Model::load(blob).map_err(|_| Failed)?;
    let checksum = [blob[10], blob[11], blob[12], blob[13]];
    let mut row = [0.0; 16];
    fill(&mut Rng::new(7), &mut row);
    let promised = model.predict(&row);
    let mut receiver = Receiver::new();
    loop {
        match receiver.byte(serial.read(), &mut spare[..]) {
            Event::None => {}
            Event::Frame => {
                // The old model keeps its word while the new one arrives.
                if model.predict(&row) != promised {
                    return Err(Failed);
                }
            }
            Event::Complete => {
                if Model::load(&spare[..]).is_ok() {
                    return Ok(End::Replaced);
                }
            }
            Event::Query => {
                let mut answer = [0; 12];
                answer[..4].copy_from_slice(&checksum);
                let mut at = 4;
                model.predict(&row).each(&mut |bits, _| {
                    answer[at..at + 4].copy_from_slice(&bits.to_le_bytes());
                    at += 4;
                });
                answer.iter().for_each(|byte| serial.write(*byte));
            }
            Event::Quit => return Ok(End::Quit),
        }
    }
}
