//! The UART of the micro:bit's nRF51, without interrupts. Your board's HAL has one with the
//! same traits to put in its place.

use core::convert::Infallible;
use core::ptr::{read_volatile, write_volatile};
use embedded_io::{ErrorType, Read, Write};

const START_RECEIVING: *mut u32 = 0x4000_2000 as *mut u32;
const START_SENDING: *mut u32 = 0x4000_2008 as *mut u32;
/// Not 0: a byte has come.
const RECEIVED: *mut u32 = 0x4000_2108 as *mut u32;
/// Not 0: the byte has gone.
const SENT: *mut u32 = 0x4000_211c as *mut u32;
/// 4 switches the UART on.
const ENABLE: *mut u32 = 0x4000_2500 as *mut u32;
const RECEIVE: *mut u32 = 0x4000_2518 as *mut u32;
const SEND: *mut u32 = 0x4000_251c as *mut u32;

/// The UART, switched on.
pub struct Serial(());

impl Serial {
    /// Switches it on.
    pub fn new() -> Self {
        // SAFETY: these are the chip's registers, and nothing else in this program uses them.
        unsafe {
            write_volatile(ENABLE, 4);
            write_volatile(START_RECEIVING, 1);
            write_volatile(START_SENDING, 1);
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
            while read_volatile(RECEIVED) == 0 {}
            write_volatile(RECEIVED, 0);
            *first = read_volatile(RECEIVE) as u8;
        }
        Ok(1)
    }
}

impl Write for Serial {
    /// Sends bytes, each when the one before it has gone.
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        for byte in bytes {
            // SAFETY: as in `new`.
            unsafe {
                write_volatile(SENT, 0);
                write_volatile(SEND, u32::from(*byte));
                while read_volatile(SENT) == 0 {}
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
