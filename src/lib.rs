//! mmoe
#![no_std]

#[cfg(test)]
extern crate std;

pub mod kernel;
pub mod math;
