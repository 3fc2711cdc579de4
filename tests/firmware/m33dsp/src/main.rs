//! The self-test on this board.
#![no_std]
#![no_main]

mod board;

firmware_common::image!(board::BOARD, firmware_common::selftest::run);
