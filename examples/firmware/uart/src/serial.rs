//! The first UART of the MPS2 boards (CMSDK), polled.

use core::ptr::{read_volatile, write_volatile};

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;

/// The UART, switched on.
pub struct Serial(());

impl Serial {
    /// Switches it on.
    pub fn new() -> Self {
        // SAFETY: the board's registers, which nothing else here touches.
        unsafe {
            write_volatile(DIVIDER, 16);
            write_volatile(CONTROL, 0b11);
        }
        Self(())
    }

    /// Waits for a byte.
    pub fn read(&mut self) -> u8 {
        // SAFETY: as above.
        unsafe {
            while read_volatile(STATE) & 0b10 == 0 {}
            read_volatile(DATA) as u8
        }
    }

    /// Waits until a byte can go, and sends it.
    pub fn write(&mut self, byte: u8) {
        // SAFETY: as above.
        unsafe {
            while read_volatile(STATE) & 0b01 != 0 {}
            write_volatile(DATA, byte.into());
        }
    }
}
