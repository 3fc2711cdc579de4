//! Instructions of activation functions and normalizations on this board.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

firmware_common::image!(board::BOARD, firmware_common::activations::run);
