//! The first UART of QEMU's MPS2 boards (a CMSDK APB UART), without interrupts. Your board's HAL
//! has one with the same traits to put in its place.

use core::convert::Infallible;
use core::ptr::{read_volatile, write_volatile};
use embedded_io::{ErrorType, Read, Write};

const DATA: *mut u32 = 0x4000_4000 as *mut u32;
/// Bit 0: a byte still waits to go. Bit 1: a byte has come.
const STATE: *mut u32 = 0x4000_4004 as *mut u32;
/// Bit 0: send. Bit 1: receive.
const CONTROL: *mut u32 = 0x4000_4008 as *mut u32;
/// Clock cycles a bit; 16 is the least, and QEMU does not wait.
const DIVIDER: *mut u32 = 0x4000_4010 as *mut u32;

/// The UART, switched on.
pub struct Serial(());

impl Serial {
    /// Switches it on.
    pub fn new() -> Self {
        // SAFETY: these are the board's registers, and nothing else in this program uses them.
        unsafe {
            write_volatile(DIVIDER, 16);
            write_volatile(CONTROL, 0b11);
        }
        Self(())
    }
}

impl ErrorType for Serial {
    type Error = Infallible;
}

impl Read for Serial {
    /// Waits for a byte.
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let Some(first) = into.first_mut() else {
            return Ok(0);
        };
        // SAFETY: as in `new`.
        unsafe {
            while read_volatile(STATE) & 0b10 == 0 {}
            *first = read_volatile(DATA) as u8;
        }
        Ok(1)
    }
}

impl Write for Serial {
    /// Sends bytes, each as soon as it can go.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            // SAFETY: as in `new`.
            unsafe {
                while read_volatile(STATE) & 0b01 != 0 {}
                write_volatile(DATA, u32::from(*byte));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
