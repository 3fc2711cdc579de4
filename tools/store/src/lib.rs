//! Keeps signed models in flash and replaces them in the field.
//!
//! A device has two *banks* of flash. One holds the live model; an update is received into the other,
//! in pieces, while the live one serves. When all of it is there it is checked, and then one write, of
//! a record of 20 bytes, makes it the live one. Power may be cut at any write: what is live afterwards
//! is the old model or the new one, whole and signed.
//!
//! # Example
//!
//! ```
//! use mmoe_store::{Opened, Policy, Store};
//! # use testkit::flash::Flash;
//!
//! # type Edge = testkit::models::Small<mmoe::I8>;
//! /// What this firmware takes: models of this type, signed with this key, of no version below 2.
//! const POLICY: Policy = Policy {
//!     // `mmoe keygen` prints it.
//!     key: [
//!         0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
//!         0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
//!     ],
//!     minimum: 2,
//!     accept: |blob| Edge::from_blob(blob)?.self_test(blob),
//! };
//!
//! # let (bank_a, bank_b) = (Flash::<4, 512>::new(8192), Flash::<4, 512>::new(8192));
//! let mut store = Store::new(bank_a, bank_b, POLICY);
//! let Opened { live, mut update, .. } = store.open();
//! // Nothing was installed yet: the model that is part of the firmware serves.
//! assert!(live.is_none());
//!
//! let file = [0; 100]; // what a sender sends
//! let mut incoming = update.begin(file.len() as u32)?;
//! for piece in file.chunks(16) {
//!     incoming.push(piece)?;
//!     // the live model may be asked at any time
//! }
//! assert!(incoming.finish().is_err(), "a hundred zeros are no model");
//! # Ok::<(), mmoe_store::UpdateError<testkit::flash::Fault>>(())
//! ```
//!
//! # What is checked, in this order
//!
//! Length, checksum, the trailer, the key, the signature, the version, the type, and the self-test
//! rows. Each has its own error in [`Refused`]. All of it is checked in flash, after the last write
//! and before the switch, and again each time when the store is opened.
//!
//! # What it takes
//!
//! No static RAM and no heap. [`Update`] and [`Incoming`] are below 200 bytes together; opening and
//! finishing take the stack that the signature takes, which `docs/trust.md` in the repository states
//! as measured. Besides room for the file a bank needs [`OVERHEAD`] bytes.
// Nothing here may panic. Tests may: that is how they fail.
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]
#![no_std]

#[cfg(test)]
extern crate std;

mod check;
mod error;
mod record;
mod sha512;
mod signature;
pub mod trailer;
mod update;

pub use error::{FlashError, Refused, UpdateError};
pub use update::{Accepted, Incoming, Update};

use check::check;
use embedded_storage::nor_flash::NorFlash;
use mmoe::{Blob, SelfTestError};
use record::Record;

/// Bytes at the start of a bank that hold its records; the file follows them.
pub const OVERHEAD: u32 = record::PLACES * record::PLACE;

/// Half of the store's flash: a region that is erased and written by `embedded-storage`'s trait, and
/// can be read where it lies.
///
/// A bank starts at an address that is a multiple of 4 (better 64), at the start of an erase block.
/// Its [`WRITE_SIZE`](NorFlash::WRITE_SIZE) divides 64; a driver of another one does not compile.
///
/// On a microcontroller, `bytes` makes a slice of the region's address and length. That is sound
/// because the store never writes to a bank while it is borrowed, so the live model and an update
/// cannot meet. Where a cache lies before the flash, the driver must invalidate it after erasing and
/// writing: the store reads everything back.
pub trait Bank: NorFlash {
    /// The whole region, [`capacity`](embedded_storage::nor_flash::ReadNorFlash::capacity) bytes.
    fn bytes(&self) -> &[u8];
}

/// What a firmware accepts. It is part of the image, and nothing that is received changes it.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The public key with which models must be signed.
    pub key: [u8; 32],
    /// The lowest version of a model that this firmware takes. The store itself takes none below the
    /// highest that it has installed.
    pub minimum: u32,
    /// Whether the blob is a model of the firmware's type and passes its self-test:
    /// `|blob| Model::from_blob(blob)?.self_test(blob)`.
    pub accept: fn(&Blob<'_>) -> Result<u32, SelfTestError>,
}

/// Two banks of flash, of which one holds the live model.
#[derive(Debug)]
pub struct Store<B> {
    banks: [B; 2],
    policy: Policy,
}

/// What [`Store::open`] found.
#[derive(Debug)]
pub struct Opened<'s, B: Bank> {
    /// The live model's blob, which has passed every check; none where nothing was installed, or
    /// nothing that was installed is whole.
    pub live: Option<&'s [u8]>,
    /// What is wrong with an installed model that is not live for that reason. Flash that loses its
    /// content shows here; the older model is live then, if it is whole.
    pub damaged: Option<Refused>,
    /// Why the record of the live bank could not be written once more, if it could not.
    pub worn: Option<FlashError<B::Error>>,
    /// Receives another model into the bank that is not live.
    pub update: Update<'s, B>,
}

impl<B: Bank> Store<B> {
    /// Takes two banks, in the same order at every start.
    pub const fn new(first: B, second: B, policy: Policy) -> Self {
        Self {
            banks: [first, second],
            policy,
        }
    }

    /// Finds the live model and checks all of it, which takes the time of a signature.
    ///
    /// While the result is in use the live bank is only read, and the other one only written. To go
    /// over to a model that was just received, drop the result and open the store again.
    ///
    /// Where the power was cut in the very word that makes an update the live model, that word may
    /// read one way now and another way at the next start; so either model may serve, whole and signed,
    /// until the next update begins.
    ///
    /// The first three times after a switch this writes a copy of the live bank's record, before
    /// anything could be erased: a record whose writing was cut may read as valid once and not again.
    #[inline(never)]
    pub fn open(&mut self) -> Opened<'_, B> {
        let policy = &self.policy;
        let [a, b] = &mut self.banks;
        let (in_a, in_b) = (Record::find(a.bytes()), Record::find(b.bytes()));
        let (newer, older, found, other) = match (in_a, in_b) {
            (Some(first), Some(second)) if second.is_newer_than(&first) => (b, a, in_b, in_a),
            (None, Some(_)) => (b, a, in_b, in_a),
            _ => (a, b, in_a, in_b),
        };
        let worn = found.and_then(|record| record.write(newer, true).err());
        let (mut live, mut spare, mut record) = (newer, older, found);
        let mut damaged = None;
        let mut version = verdict(live, record, policy, &mut damaged);
        if version.is_none() {
            (live, spare, record) = (spare, live, other);
            version = verdict(live, record, policy, &mut damaged);
        }
        let live = &*live;
        let blob = match (version, record) {
            (Some(_), Some(record)) => check::blob(live.bytes(), record.length),
            _ => None,
        };
        let highest = |record: Option<Record>| record.map_or(0, |r| r.highest);
        let update = Update::new(
            spare,
            policy,
            found.map_or(0, |r| r.sequence.wrapping_add(1)),
            highest(in_a).max(highest(in_b)).max(policy.minimum),
            version,
        );
        Opened {
            live: blob,
            damaged,
            worn,
            update,
        }
    }

    /// Gives the banks back.
    pub fn into_banks(self) -> [B; 2] {
        self.banks
    }
}

/// The version of the model that a bank's record tells of. What is wrong with it goes to `damaged`,
/// unless something is there already; where there is no record, nothing is wrong.
fn verdict<B: Bank>(
    bank: &B,
    record: Option<Record>,
    policy: &Policy,
    damaged: &mut Option<Refused>,
) -> Option<u32> {
    match check(bank.bytes(), record?.length, policy) {
        Ok(version) => Some(version),
        Err(refused) => {
            damaged.get_or_insert(refused);
            None
        }
    }
}
