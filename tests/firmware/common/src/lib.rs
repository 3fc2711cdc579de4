//! What the test firmware of all boards shares. A board is a folder with a linker script, a QEMU command and
//! two lines of code.
#![no_std]

pub mod activations;
#[cfg(feature = "measure")]
mod codes;
#[cfg(feature = "measure")]
pub mod constant;
mod counter;
pub mod front;
#[cfg(feature = "measure")]
pub mod measure;
#[cfg(feature = "measure")]
mod plain;
#[cfg(feature = "measure")]
mod ranking;
pub mod selftest;
#[cfg(feature = "measure")]
mod sparse;
mod stack;
mod start;

pub use counter::{Counter, calibrate};
pub use semihosting::println;
pub use stack::{Painted, paint};
pub use start::{Board, Failed, entry, run};

/// Makes `$body`, a `fn(&Board) -> Result<(), Failed>`, what the image runs.
#[macro_export]
macro_rules! image {
    ($board:expr, $body:path) => {
        #[$crate::entry]
        fn start() -> ! {
            static BOARD: $crate::Board = $board;
            $crate::run(&BOARD, $body)
        }
    };
}
