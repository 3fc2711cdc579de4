//! Instructions and stack of the models on this board.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

firmware_common::image!(board::BOARD, firmware_common::measure::run);
