//! What loading and predicting take in the profile that this image is built with, for the model of
//! `examples/firmware/minimal`. `cargo xtask profiles` reads the line that it prints.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;
#[rustfmt::skip]
#[path = "../../../../../examples/firmware/minimal/src/edge.rs"]
mod edge;

use core::hint::black_box;
use firmware_common::{Board, Counter, Failed, calibrate, println};

firmware_common::image!(board::BOARD, run);

fn run(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    let load = counter.count(4, &mut || {
        _ = black_box(edge::Model::load(black_box(edge::BLOB)));
    });
    let model = edge::load().map_err(|error| {
        println!("{error}");
        Failed
    })?;
    let features = [0.5; edge::INPUTS];
    let predict = counter.count(16, &mut || {
        _ = black_box(black_box(model).predict(black_box(&features)));
    });
    println!("load={load} predict={predict}");
    Ok(())
}
