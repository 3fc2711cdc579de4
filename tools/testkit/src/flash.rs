//! NOR flash in memory, with the rules of real one: blocks are erased to ones, words are written once
//! after that, and what a power cut interrupts has undefined content until it is erased again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind};
use embedded_storage::nor_flash::{ReadNorFlash, check_erase, check_read, check_write};
use mmoe_store::Bank;

use crate::Rng;

/// What the flash reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no power.
    Off,
    /// The place is refused.
    Place(NorFlashErrorKind),
    /// The controller says that writing or erasing failed.
    Failed,
}

impl NorFlashError for Fault {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::Place(kind) => *kind,
            Self::Off | Self::Failed => NorFlashErrorKind::Other,
        }
    }
}

/// The power of all banks of a device.
#[derive(Debug)]
pub struct Power {
    rng: Rng,
    /// Steps until the power is cut: a step is a byte that is written or a block that is erased.
    left: Option<u64>,
    on: bool,
    steps: u64,
    writes: u64,
}

impl Power {
    /// Power that lasts. The seed decides what interrupted words read as.
    #[must_use]
    pub fn new(seed: u64) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            rng: Rng::new(seed),
            left: None,
            on: true,
            steps: 0,
            writes: 0,
        }))
    }

    /// Cuts the power in the step after this many.
    pub fn cut_after(&mut self, steps: u64) {
        self.left = Some(steps);
    }

    /// Whether the power was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.on
    }

    /// How many steps were made since the power came.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How many calls wrote or erased since the power came.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes
    }

    /// Makes a step; false where the power is cut in it.
    fn step(&mut self) -> bool {
        self.on = self.left != Some(0);
        self.steps += 1;
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.on
    }
}

/// A bank of flash that is written in words of `WRITE` bytes and erased in blocks of `ERASE`.
///
/// It panics where a word is written twice that shows it: that is a mistake of whoever drives it.
#[derive(Debug)]
pub struct Flash<const WRITE: usize, const ERASE: usize> {
    bytes: Vec<u8>,
    /// Words that may not be written, since they were, or their erasure was interrupted.
    used: Vec<bool>,
    /// Words that read as something else at each start, and what they held or were to hold.
    undefined: BTreeMap<usize, [u8; WRITE]>,
    /// Bits that read as zero, whatever is done.
    stuck: Vec<(usize, u8)>,
    /// Whether words whose writing was cut are never taken again.
    strict: bool,
    /// Calls that write or erase until one is said to have failed.
    fails_after: Option<u64>,
    power: Rc<RefCell<Power>>,
}

impl<const WRITE: usize, const ERASE: usize> Flash<WRITE, ERASE> {
    /// Flash of its own power, erased.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self::powered(length, &Power::new(0))
    }

    /// Flash that shares its power, erased.
    #[must_use]
    pub fn powered(length: usize, power: &Rc<RefCell<Power>>) -> Self {
        Self {
            bytes: vec![0xff; length],
            used: vec![false; length / WRITE],
            undefined: BTreeMap::new(),
            stuck: Vec::new(),
            strict: power.borrow_mut().rng.one_in(2),
            fails_after: None,
            power: Rc::clone(power),
        }
    }

    /// Gives power again. Words whose writing or erasing was interrupted read as anything, and as
    /// something else after the next start.
    pub fn start(&mut self) {
        let mut power = self.power.borrow_mut();
        (power.left, power.on, power.steps, power.writes) = (None, true, 0, 0);
        for (word, meant) in &self.undefined {
            // Cells hold by a hair: a word may look whole, half done, untouched, or like nothing.
            let kind = power.rng.below(4);
            for (byte, meant) in self.bytes[word * WRITE..].iter_mut().zip(meant) {
                *byte = match kind {
                    0 => *meant,
                    1 => *meant | power.rng.bits() as u8,
                    2 => 0xff,
                    _ => power.rng.bits() as u8,
                }
            }
        }
        drop(power);
        self.wear();
    }

    /// Makes bits of a byte read as zero from now on, and tells nobody.
    pub fn stick(&mut self, at: usize, bits: u8) {
        self.stuck.push((at, bits));
        self.wear();
    }

    /// Has the controller report a failure at the call that writes or erases after `calls` more.
    pub fn fail_after(&mut self, calls: u64) {
        self.fails_after = Some(calls);
    }

    /// Changes a byte as no controller does: a cell that lost its charge.
    pub fn decay(&mut self, at: usize, xor: u8) {
        self.bytes[at] ^= xor;
    }

    fn wear(&mut self) {
        for (at, bits) in &self.stuck {
            self.bytes[*at] &= !bits;
        }
    }

    fn call(&mut self) -> Result<(), Fault> {
        let mut power = self.power.borrow_mut();
        if !power.on {
            return Err(Fault::Off);
        }
        power.writes += 1;
        match self.fails_after {
            Some(0) => return Err(Fault::Failed),
            Some(n) => self.fails_after = Some(n - 1),
            None => {}
        }
        Ok(())
    }
}

impl<const WRITE: usize, const ERASE: usize> Bank for Flash<WRITE, ERASE> {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<const WRITE: usize, const ERASE: usize> ErrorType for Flash<WRITE, ERASE> {
    type Error = Fault;
}

impl<const WRITE: usize, const ERASE: usize> ReadNorFlash for Flash<WRITE, ERASE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Fault> {
        check_read(self, offset, bytes.len()).map_err(Fault::Place)?;
        bytes.copy_from_slice(&self.bytes[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.len()
    }
}

impl<const WRITE: usize, const ERASE: usize> NorFlash for Flash<WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Fault> {
        check_erase(self, from, to).map_err(Fault::Place)?;
        self.call()?;
        for start in (from as usize..to as usize).step_by(ERASE) {
            let words = start / WRITE..(start + ERASE) / WRITE;
            if !self.power.borrow_mut().step() {
                // Nothing of it looks changed before the next start, which nobody sees.
                self.used[words.clone()].fill(true);
                let old = self.bytes[start..start + ERASE].as_chunks().0;
                self.undefined.extend(words.zip(old.iter().copied()));
                return Err(Fault::Off);
            }
            self.bytes[start..start + ERASE].fill(0xff);
            self.used[words.clone()].fill(false);
            self.undefined.retain(|word, _| !words.contains(word));
        }
        self.wear();
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Fault> {
        check_write(self, offset, bytes.len()).map_err(Fault::Place)?;
        self.call()?;
        let first = offset as usize / WRITE;
        for (word, bytes) in (first..).zip(bytes.as_chunks::<WRITE>().0) {
            if self.used[word] {
                // Its writing was cut, and it reads as erased: nobody can know. Some flash takes it once
                // more, some says that it is used.
                let blank = self.bytes[word * WRITE..][..WRITE] == [0xff; WRITE];
                assert!(
                    blank && self.undefined.contains_key(&word),
                    "the word at {:#x} is written twice",
                    word * WRITE
                );
                if self.strict {
                    return Err(Fault::Failed);
                }
                self.undefined.remove(&word);
            }
            self.used[word] = true;
            for (at, byte) in (word * WRITE..).zip(bytes) {
                let on = self.power.borrow_mut().step();
                self.bytes[at] &= byte;
                if !on {
                    self.undefined.insert(word, *bytes);
                    return Err(Fault::Off);
                }
            }
        }
        self.wear();
        Ok(())
    }
}
