//! Any flash and any file for a model store. What it finds live must have passed every check; the
//! signature of a fuzzer's file never does, so nothing may be live or become so.
#![no_main]

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use libfuzzer_sys::fuzz_target;
use mmoe::{Aligned, Dynamic};
use mmoe_store::{Bank, Policy, Store};

const LENGTH: usize = 4096;

/// A bank of memory, of blocks of 512 bytes.
struct Memory(Box<Aligned<[u8; LENGTH]>>);

impl Memory {
    fn of(bytes: &[u8]) -> Self {
        let mut memory = Box::new(Aligned([0xff; LENGTH]));
        memory.iter_mut().zip(bytes).for_each(|(to, b)| *to = *b);
        Self(memory)
    }
}

impl Bank for Memory {
    fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

impl ErrorType for Memory {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Memory {
    const READ_SIZE: usize = 1;
    fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.copy_from_slice(&self.0[at as usize..][..bytes.len()]);
        Ok(())
    }
    fn capacity(&self) -> usize {
        LENGTH
    }
}

impl NorFlash for Memory {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 512;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let block = self.0.get_mut(from as usize..to as usize);
        block.ok_or(NorFlashErrorKind::OutOfBounds)?.fill(0xff);
        Ok(())
    }
    fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        assert!(at % 4 == 0 && bytes.len() % 4 == 0);
        let to = self.0.get_mut(at as usize..at as usize + bytes.len());
        let to = to.ok_or(NorFlashErrorKind::OutOfBounds)?;
        to.iter_mut().zip(bytes).for_each(|(to, b)| *to &= b);
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([split, piece, more], data)) = data.split_first_chunk() else {
        return;
    };
    let (first, rest) = data.split_at(data.len() * usize::from(*split) / 256);
    let policy = Policy {
        key: [
            0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b,
            0x7e, 0xbc, 0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1,
            0x2a, 0xf4, 0x66, 0x0c,
        ],
        minimum: 0,
        accept: |blob| Ok(Dynamic::from_blob(blob).map(|_| 0)?),
    };
    let mut store = Store::new(Memory::of(first), Memory::of(rest), policy);
    let mut opened = store.open();
    assert!(opened.live.is_none(), "nobody signed this");
    let length = rest.len() as u32 + u32::from(*more >> 6);
    if let Ok(mut incoming) = opened.update.begin(length) {
        for piece in rest.chunks(usize::from(*piece) + 1) {
            if incoming.push(piece).is_err() {
                break;
            }
        }
        assert!(incoming.finish().is_err(), "nobody signed this");
    }
    drop(opened);
    assert!(store.open().live.is_none(), "nobody signed this");
});
