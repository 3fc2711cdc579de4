//! Records arrive over a UART, each as one line of text with its fields by name, and named
//! probabilities go back: `click 0.79, buy 0.5`.
//!
//! `line.rs` says what a line looks like. `cargo xtask records` sends 200 rows to an emulated
//! Cortex-M4F and to a Cortex-M0, once they say `ready`, and compares the answers with those of `mmoe run`.
#![no_std]
#![no_main]

mod line;
#[cfg_attr(target_abi = "eabihf", path = "../../uart/src/serial.rs")]
#[cfg_attr(not(target_abi = "eabihf"), path = "microbit.rs")]
mod serial;
// `mmoe codegen shop.mmoe -o shop.rs` wrote this file for the blob beside it.
#[rustfmt::skip]
mod shop;

use core::convert::Infallible;
use embedded_io::{Read, Write};
use line::Line;
use semihosting::{println, process};
use serial::Serial;
use shop::Model;

#[cortex_m_rt::entry]
fn main() -> ! {
    let model = match shop::load() {
        Ok(model) => model,
        Err(error) => {
            println!("{error}");
            process::exit(1)
        }
    };
    let Err(never) = serve(model, &mut Serial::new());
    match never {}
}

/// Answers lines, over any UART.
fn serve<E>(
    model: &Model,
    serial: &mut (impl Read<Error = E> + Write<Error = E>),
) -> Result<Infallible, E> {
    serial.write_all(b"ready\n")?;
    let mut arriving = Line::default();
    loop {
        let mut byte = [0];
        serial.read(&mut byte)?;
        let Some(line) = arriving.push(byte[0]) else {
            continue;
        };
        if line.quits() {
            process::exit(0)
        }
        serial.write_all(line.answer(model).as_bytes())?;
    }
}
