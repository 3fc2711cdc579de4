//! A device with a store, files for it, and the loop that cuts its power.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test uses a part of it, and is a crate of its own"
)]

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

use mmoe::blob::{Blob, PREAMBLE, SectionTag, crc32};
use mmoe::parallel::List2;
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, Regression};
use mmoe_store::{Accepted, FlashError, Policy, Store, Update, UpdateError};
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::graph::{Graph, Output};
use mmoe_tools::signing::PrivateKey;
use testkit::flash::{Fault, Flash, Power};
use testkit::{Rng, graphs};

/// The firmware's type.
pub type Model = Mmoe<
    [Dense<5, 3, F32>; 2],
    [Gate<5, 2, F32>; 2],
    List2<Binary<Head<3, 1, F32>>, Regression<Head<3, 1, F32>>>,
>;

/// The product's key.
pub static KEY: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate().unwrap());

/// What the firmware takes.
pub fn policy(minimum: u32) -> Policy {
    Policy {
        key: KEY.public().bytes(),
        minimum,
        accept: |blob| Model::from_blob(blob)?.self_test(blob),
    }
}

/// A graph of the firmware's type, or one whose outputs are of other kinds.
pub fn graph(outputs: [Output; 2]) -> Graph {
    let rng = &mut Rng::new(1);
    let mut nodes: Vec<_> = (0..2).map(|_| graphs::expert(rng, 0, &[5, 3])).collect();
    nodes.extend((0..2).map(|_| {
        let kind = mmoe_tools::graph::GateKind::Softmax;
        graphs::gate(rng, kind, 0, 5, vec![1, 2], 3)
    }));
    nodes.extend((0..2).map(|k| graphs::tower(rng, 3 + k, &[3, 1])));
    graphs::graph(5, nodes, &outputs)
}

/// The blob of a graph, with self-test rows or without.
pub fn blob(graph: &Graph, self_test: Option<u8>) -> Vec<u8> {
    let mut conversion = Conversion::new(Precision::F32);
    conversion.self_test = self_test;
    graphs::blob(graph, conversion).as_slice().to_vec()
}

/// The firmware's model in version 1.
pub static BLOB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut graph = graph([Output::Sigmoid { value: 5 }, Output::Linear { value: 6 }]);
    graph.version = 1;
    blob(&graph, Some(2))
});

/// Makes a blob's checksum right.
pub fn seal(blob: &mut [u8]) {
    let sum = crc32(&blob[PREAMBLE..]);
    blob[PREAMBLE - 4..PREAMBLE].copy_from_slice(&sum.to_le_bytes());
}

/// A blob in another version below 128, which is one byte in the file.
pub fn versioned(blob: &[u8], version: u8) -> Vec<u8> {
    assert!((1..128).contains(&version));
    let opened = Blob::open(blob).unwrap();
    let identity = opened.section(SectionTag::Identity).unwrap();
    let at = identity.as_ptr_range().end as usize - blob.as_ptr() as usize - 1;
    let mut blob = blob.to_vec();
    blob[at] = version;
    seal(&mut blob);
    blob
}

/// The firmware's model in a version, signed.
pub fn signed(version: u8) -> Vec<u8> {
    KEY.sign(&versioned(&BLOB, version)).unwrap()
}

/// What an update ends with.
pub type Done = Result<Accepted, UpdateError<Fault>>;

/// Receives a file in pieces and installs it.
pub fn receive<const W: usize, const E: usize>(
    update: &mut Update<'_, Flash<W, E>>,
    file: &[u8],
    piece: usize,
) -> Done {
    let mut incoming = update.begin(file.len() as u32)?;
    for piece in file.chunks(piece) {
        incoming.push(piece)?;
    }
    incoming.finish()
}

/// A device: two banks of one flash, and its firmware.
pub struct Device<const W: usize, const E: usize> {
    pub power: Rc<RefCell<Power>>,
    pub store: Store<Flash<W, E>>,
    minimum: u32,
}

impl<const W: usize, const E: usize> Device<W, E> {
    /// A device from the factory: nothing is installed.
    pub fn new(seed: u64) -> Self {
        let power = Power::new(seed);
        let bank = || {
            let room = mmoe_store::OVERHEAD as usize + signed(1).len();
            Flash::powered(room.next_multiple_of(E), &power)
        };
        let store = Store::new(bank(), bank(), policy(0));
        Self {
            power,
            store,
            minimum: 0,
        }
    }

    /// The version and the bytes of the live model.
    pub fn live(&mut self) -> Option<(u8, Vec<u8>)> {
        let blob = self.store.open().live?;
        let version = Blob::open(blob).unwrap().id().version;
        Some((version as u8, blob.to_vec()))
    }

    /// Installs a file with the power on.
    pub fn install(&mut self, file: &[u8]) -> Done {
        receive(&mut self.store.open().update, file, 50)
    }

    /// The power comes back, and the firmware starts.
    pub fn start(&mut self) {
        self.with_banks(|banks| banks.iter_mut().for_each(Flash::start));
    }

    /// Does something to the banks while the firmware does not run.
    pub fn with_banks(&mut self, change: impl FnOnce(&mut [Flash<W, E>; 2])) {
        let nothing = || Flash::powered(E, &self.power);
        let empty = Store::new(nothing(), nothing(), policy(self.minimum));
        let mut banks = std::mem::replace(&mut self.store, empty).into_banks();
        change(&mut banks);
        let [a, b] = banks;
        self.store = Store::new(a, b, policy(self.minimum));
    }

    /// The firmware is replaced by one that takes no lower version than this.
    pub fn minimum(&mut self, minimum: u32) {
        self.minimum = minimum;
        self.with_banks(|_| ());
    }
}

/// What a power cut in an update led to.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// The old model serves.
    Old,
    /// The new one does.
    New,
}

/// Opens the store, installs a file, and cuts the power after so many steps; then starts, and tells
/// which model is live. Panics if it is neither, or if an update that was reported is lost.
pub fn cut<const W: usize, const E: usize>(
    device: &mut Device<W, E>,
    old: &[u8],
    new: &[u8],
    piece: usize,
    steps: u64,
) -> After {
    device.power.borrow_mut().cut_after(steps);
    let done = receive(&mut device.store.open().update, new, piece);
    let off = device.power.borrow().is_cut();
    match &done {
        Ok(_) => assert!(!off),
        Err(UpdateError::Flash(FlashError::Driver(Fault::Off))) => assert!(off),
        Err(error) => panic!("{error}"),
    }
    device.start();
    let live = device.store.open().live.expect("a model is live");
    let model = Model::load(live).unwrap();
    model.self_test(&Blob::open(live).unwrap()).unwrap();
    if live == &new[..live.len()] {
        return After::New;
    }
    assert!(
        live == &old[..live.len()],
        "neither the old model nor the new one"
    );
    assert!(done.is_err(), "an update that was reported is lost");
    After::Old
}

/// What the updates of devices came to.
#[derive(Debug, Default)]
pub struct Tally {
    pub devices: u64,
    pub cut: u64,
    pub old: u64,
    pub new: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.devices += other.devices;
        self.cut += other.cut;
        self.old += other.old;
        self.new += other.new;
    }
}

/// Updates devices so often, with the power cut at random; a device lives until it has version 127.
/// Some cuts are followed by more of them before the firmware comes to anything.
pub fn life<const W: usize, const E: usize>(rng: &mut Rng, updates: u64) -> Tally {
    let files: Vec<Vec<u8>> = (1..128).map(signed).collect();
    let mut tally = Tally::default();
    let mut device = Device::<W, E>::new(rng.bits());
    let mut live = None;
    for _ in 0..updates {
        let Some(at) = live.filter(|at| at + 1 < files.len()) else {
            device = Device::new(rng.bits());
            device.install(&files[0]).unwrap();
            tally.devices += 1;
            live = Some(0);
            continue;
        };
        // A third of the cuts fall where it matters: into the record.
        let all = files[at].len() as u64 + 60;
        let steps = if rng.one_in(3) {
            all - rng.below(80) as u64
        } else {
            rng.below(all as usize + 20) as u64
        };
        let piece = rng.within(1, 300);
        let after = cut(&mut device, &files[at], &files[at + 1], piece, steps);
        while rng.one_in(4) {
            // The power fails again while the firmware starts.
            device.power.borrow_mut().cut_after(rng.below(25) as u64);
            device.store.open();
            device.start();
        }
        tally.cut += 1;
        match after {
            After::Old => tally.old += 1,
            After::New => tally.new += 1,
        }
        let (version, _) = device.live().expect("a model is live");
        assert!(version as usize == at + 1 || version as usize == at + 2);
        live = Some(version as usize - 1);
    }
    tally
}
