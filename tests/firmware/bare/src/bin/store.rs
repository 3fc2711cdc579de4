//! The model store: opens it, and receives and installs a model. `only_load` has what a program with a
//! model has anyway: loading and the self-test.
#![no_std]
#![no_main]

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use firmware_models::Small;
use mmoe::{Blob, I8, SelfTestError};
use mmoe_store::{Bank, Policy, Store};

/// A bank of memory, so that no driver counts.
struct Memory(&'static mut [u8]);

impl Bank for Memory {
    fn bytes(&self) -> &[u8] {
        self.0
    }
}

impl ErrorType for Memory {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = 1;
    fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        Ok(())
    }
    fn capacity(&self) -> usize {
        self.0.len()
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 4096;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let block = self.0.get_mut(from as usize..to as usize);
        block.ok_or(NorFlashErrorKind::OutOfBounds)?.fill(0xff);
        Ok(())
    }
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let to = self.0.get_mut(at as usize..);
        let to = to.ok_or(NorFlashErrorKind::OutOfBounds)?;
        to.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        Ok(())
    }
}

#[inline(never)]
fn accept(blob: &Blob<'_>) -> Result<u32, SelfTestError> {
    Small::<I8>::from_blob(blob)?.self_test(blob)
}

/// Loads a model and tests it.
///
/// # Safety
///
/// `blob` must be `len` bytes that stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn only_load(blob: *const u8, len: usize) -> u32 {
    // SAFETY: by contract.
    let opened = Blob::open(unsafe { core::slice::from_raw_parts(blob, len) });
    opened.map_or(u32::from(bare::NOTHING), |blob| {
        accept(&blob).map_or_else(|error| u32::from(error.code()), |rows| rows)
    })
}

/// Opens the store, receives a file and installs it.
///
/// # Safety
///
/// `first` and `second` must be `room` bytes that belong to nobody else, `file` must be `len` bytes
/// that stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load_and_predict(
    first: *mut u8,
    second: *mut u8,
    room: usize,
    key: &[u8; 32],
    file: *const u8,
    len: usize,
) -> u32 {
    // SAFETY: by contract.
    let (first, second, file) = unsafe {
        (
            core::slice::from_raw_parts_mut(first, room),
            core::slice::from_raw_parts_mut(second, room),
            core::slice::from_raw_parts(file, len),
        )
    };
    let policy = Policy {
        key: *key,
        minimum: u32::from(bare::NOTHING),
        accept,
    };
    let mut store = Store::new(Memory(first), Memory(second), policy);
    let mut opened = store.open();
    let found = u32::from(opened.live.is_some())
        + u32::from(opened.damaged.is_some())
        + u32::from(opened.worn.is_some());
    let Ok(mut incoming) = opened.update.begin(len as u32) else {
        return found;
    };
    for piece in file.chunks(64) {
        if incoming.push(piece).is_err() {
            return found;
        }
    }
    incoming.finish().map_or(found, |done| done.version)
}
