//! Instructions of what stands in front of a model's vector, on this board.
#![no_std]
#![no_main]

#[path = "../board.rs"]
mod board;

firmware_common::image!(board::BOARD, firmware_common::measure::fields);
