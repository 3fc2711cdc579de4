//! What is installed and what is refused, each refusal by its own error; flash that wears out.

mod device;

use device::{BLOB, Device, Done, KEY, blob, graph, receive, seal, signed, versioned};
use mmoe::{LoadError, SelfTestError};
use mmoe_store::{FlashError, OVERHEAD, Refused, UpdateError, trailer};
use mmoe_tools::graph::Output;
use mmoe_tools::signing::PrivateKey;
use testkit::flash::Fault;

type Small = Device<4, 512>;

/// A device whose live model has version 5.
fn device() -> Small {
    let mut device = Small::new(0);
    device.install(&signed(5)).unwrap();
    assert_eq!(device.live().unwrap().0, 5);
    device
}

/// A file is refused for this, and the live model stays.
fn refused(file: &[u8], why: &Refused) {
    let mut device = device();
    let done = device.install(file);
    assert_eq!(done, Err(UpdateError::Refused(*why)));
    assert!(!why.to_string().is_empty());
    assert_eq!(device.live().unwrap().0, 5);
    // And another one is still taken.
    device.install(&signed(6)).unwrap();
    assert_eq!(device.live().unwrap().0, 6);
}

#[test]
fn updates_follow_each_other() {
    let mut device = Small::new(0);
    assert!(device.live().is_none());
    for version in 1..20 {
        let file = signed(version);
        assert_eq!(device.install(&file).unwrap().version, u32::from(version));
        let (live, bytes) = device.live().unwrap();
        assert_eq!(live, version);
        assert!(bytes == file[..file.len() - trailer::LENGTH]);
    }
}

#[test]
fn a_damaged_file_is_refused() {
    let file = signed(6);
    let mut refusals = std::collections::BTreeSet::new();
    for at in 0..file.len() {
        let mut damaged = file.clone();
        damaged[at] ^= 0x10;
        let mut device = device();
        match device.install(&damaged) {
            Err(UpdateError::Refused(why)) => {
                let text = format!("{why:?}");
                refusals.insert(text.split([' ', '(']).next().unwrap().to_owned());
            }
            other => panic!("byte {at}: {other:?}"),
        }
        assert_eq!(device.live().unwrap().0, 5, "byte {at}");
    }
    let all: Vec<_> = refusals.iter().map(String::as_str).collect();
    assert_eq!(
        all,
        ["Blob", "Key", "Length", "Signature", "Trailer", "Unsigned"]
    );
}

#[test]
fn a_file_that_is_cut_is_refused() {
    let file = signed(6);
    let mut device = device();
    // The sender stops early: what was announced does not come.
    for length in 0..file.len() {
        let mut opened = device.store.open();
        let mut incoming = opened.update.begin(file.len() as u32).unwrap();
        incoming.push(&file[..length]).unwrap();
        let (expected, found) = (file.len() as u32, length as u32);
        let why = Refused::Truncated { expected, found };
        assert_eq!(incoming.finish(), Err(why.into()), "{length}");
    }
    // The file itself is cut.
    for length in 0..file.len() {
        match device.install(&file[..length]) {
            Err(UpdateError::Refused(
                Refused::Blob(LoadError::Truncated { .. })
                | Refused::Length { .. }
                | Refused::Unsigned,
            )) => {}
            other => panic!("{length}: {other:?}"),
        }
    }
    let blob = &file[..file.len() - trailer::LENGTH];
    assert_eq!(
        device.install(blob),
        Err(UpdateError::Refused(Refused::Unsigned))
    );
    assert_eq!(device.live().unwrap().0, 5);
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let mut file = signed(6);
    let expected = file.len() as u32;
    file.push(0);
    let found = file.len() as u32;
    refused(&file, &Refused::Length { expected, found });
    // One that no bank has room for, before anything is erased.
    let mut device = device();
    let before = device.power.borrow().writes();
    let mut opened = device.store.open();
    let room = opened.update.room();
    let length = room + 1;
    let done = opened.update.begin(length).err();
    assert_eq!(done, Some(UpdateError::Room { length, room }));
    let done = opened.update.begin(u32::MAX).err();
    let length = u32::MAX;
    assert_eq!(done, Some(UpdateError::Room { length, room }));
    assert_eq!(
        device.power.borrow().writes(),
        before + 1,
        "the record's copy"
    );
    // More bytes than announced.
    let mut opened = device.store.open();
    let mut incoming = opened.update.begin(10).unwrap();
    assert_eq!(incoming.push(&[0; 11]), Err(UpdateError::Excess));
    assert_eq!(incoming.push(&[0; 1]), Err(UpdateError::Excess));
    assert_eq!(incoming.finish(), Err(UpdateError::Excess));
}

#[test]
fn another_products_key_is_refused() {
    let other = PrivateKey::generate().unwrap();
    let file = other.sign(&versioned(&BLOB, 6)).unwrap();
    let found = *other.public().bytes().first_chunk().unwrap();
    refused(&file, &Refused::Key { found });
    // It says that it is this product's.
    let mut forged = file.clone();
    let hint = forged.len() - trailer::LENGTH + 8;
    forged[hint..hint + 8].copy_from_slice(&KEY.public().bytes()[..8]);
    refused(&forged, &Refused::Signature);
}

#[test]
fn a_signature_is_of_one_file() {
    // The trailer of one version behind the blob of another.
    let (six, seven) = (signed(6), signed(7));
    let at = six.len() - trailer::LENGTH;
    refused(&[&six[..at], &seven[at..]].concat(), &Refused::Signature);
    // A signature with s + l in place of s, which naive verifiers take too.
    let mut same = six.clone();
    let l: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let s = same.len() - 32;
    let mut carry = 0;
    for (byte, l) in same[s..].iter_mut().zip(l) {
        let sum = u32::from(*byte) + u32::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    refused(&same, &Refused::Signature);
}

#[test]
fn an_unknown_trailer_is_refused() {
    for (at, wanted) in [(4, (2, 1)), (6, (1, 2))] {
        let mut file = signed(6);
        let start = file.len() - trailer::LENGTH;
        file[start + at] = 2;
        let (version, algorithm) = wanted;
        refused(&file, &Refused::Trailer { version, algorithm });
    }
}

#[test]
fn downgrade_and_replay_are_refused() {
    let (lowest, found) = (5, 4);
    refused(&signed(4), &Refused::Downgrade { lowest, found });
    refused(&signed(5), &Refused::Replay { version: 5 });
    // The firmware's own minimum holds where nothing is installed, and for what is live.
    let mut device = Small::new(0);
    device.minimum(3);
    let (lowest, found) = (3, 2);
    assert_eq!(
        device.install(&signed(2)),
        Err(Refused::Downgrade { lowest, found }.into())
    );
    device.install(&signed(3)).unwrap();
    device.minimum(4);
    let opened = device.store.open();
    let (lowest, found) = (4, 3);
    assert!(opened.live.is_none());
    assert_eq!(opened.damaged, Some(Refused::Downgrade { lowest, found }));
}

#[test]
fn an_older_model_that_serves_in_need_lowers_nothing() {
    let mut device = device();
    device.install(&signed(9)).unwrap();
    // The newer bank loses its content: the older one serves, and it is said.
    device.with_banks(|[_, b]| b.decay(OVERHEAD as usize + 100, 0xff));
    let opened = device.store.open();
    assert!(matches!(
        opened.damaged,
        Some(Refused::Blob(LoadError::Checksum { .. }))
    ));
    assert!(opened.live.is_some());
    assert_eq!(device.live().unwrap().0, 5);
    let (lowest, found) = (9, 8);
    assert_eq!(
        device.install(&signed(8)),
        Err(Refused::Downgrade { lowest, found }.into())
    );
}

#[test]
fn a_lost_model_may_be_installed_again() {
    let mut device = device();
    device.install(&signed(9)).unwrap();
    device.with_banks(|[_, b]| b.decay(OVERHEAD as usize + 100, 0xff));
    assert_eq!(device.live().unwrap().0, 5);
    device.install(&signed(9)).unwrap();
    assert_eq!(device.live().unwrap().0, 9);
}

#[test]
fn a_model_of_another_type_is_refused() {
    let mut other = graph([Output::Linear { value: 5 }, Output::Linear { value: 6 }]);
    other.version = 6;
    let file = KEY.sign(&blob(&other, Some(2))).unwrap();
    match device().install(&file) {
        Err(UpdateError::Refused(Refused::Type(LoadError::Task { task: 0, .. }))) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_that_does_not_pass_its_self_test_is_refused() {
    let mut untested = graph([Output::Sigmoid { value: 5 }, Output::Linear { value: 6 }]);
    untested.version = 6;
    let file = KEY.sign(&blob(&untested, None)).unwrap();
    refused(&file, &Refused::SelfTest(SelfTestError::Missing));
    // A weight is another one than that with which the rows were made; all else is right.
    let mut changed = versioned(&BLOB, 6);
    let last = changed.len() - 1;
    changed[last] ^= 0x40;
    seal(&mut changed);
    match device().install(&KEY.sign(&changed).unwrap()) {
        Err(UpdateError::Refused(Refused::SelfTest(SelfTestError::Row { .. }))) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_an_update_the_store_is_opened_again() {
    let mut device = device();
    let mut opened = device.store.open();
    let live = opened.live.unwrap();
    receive(&mut opened.update, &signed(6), 64).unwrap();
    assert!(matches!(
        opened.update.begin(10),
        Err(UpdateError::Switched)
    ));
    // The old model serves until then, where it lies.
    assert!(live == versioned(&BLOB, 5));
    assert_eq!(device.live().unwrap().0, 6);
}

#[test]
fn every_size_of_words_and_pieces_is_right() {
    fn all<const W: usize, const E: usize>() {
        for piece in [1, 3, 4, 63, 64, 65, 200, 5000] {
            let mut device = Device::<W, E>::new(0);
            for version in 1..4 {
                let mut opened = device.store.open();
                receive(&mut opened.update, &signed(version), piece).unwrap();
                assert_eq!(device.live().unwrap().0, version, "{W}, {E}, {piece}");
            }
        }
    }
    all::<1, 256>();
    all::<2, 512>();
    all::<4, 4096>();
    all::<8, 2048>();
    all::<16, 64>();
    all::<32, 128>();
    all::<64, 8192>();
}

#[test]
fn a_failing_controller_is_reported() {
    let file = signed(6);
    let mut calls = 0;
    loop {
        let mut device = device();
        device.live();
        device.with_banks(|[_, spare]| spare.fail_after(calls));
        let done: Done = device.install(&file);
        if done.is_ok() {
            break;
        }
        assert_eq!(
            done,
            Err(UpdateError::Flash(FlashError::Driver(Fault::Failed)))
        );
        assert_eq!(device.live().unwrap().0, 5, "call {calls}");
        calls += 1;
    }
    assert!(
        calls > file.len() as u64 / 64,
        "erasing, every write, the record"
    );
}

#[test]
fn worn_cells_are_reported() {
    let file = signed(6);
    let end = OVERHEAD as usize + file.len();
    for at in (0..20).chain(OVERHEAD as usize..end) {
        let mut device = device();
        device.with_banks(|[_, spare]| spare.stick(at, 1));
        // The block does not read as erased, whatever would be written there.
        let offset = (at - at % 512) as u32;
        assert_eq!(
            device.install(&file),
            Err(UpdateError::Flash(FlashError::Erased { offset })),
            "{at}"
        );
        assert_eq!(device.live().unwrap().0, 5);
    }
    // Cells that fail while the file is received.
    let mut reported = 0;
    for at in OVERHEAD as usize..end {
        let mut device = device();
        let mut opened = device.store.open();
        let mut incoming = opened.update.begin(file.len() as u32).unwrap();
        incoming.push(&file[..64]).unwrap();
        device.with_banks(|[_, spare]| spare.stick(at, 0xff));
        let done = device.install(&file);
        reported += u32::from(matches!(done, Err(UpdateError::Flash(_))));
        assert_eq!(device.live().unwrap().0, 5);
    }
    assert_eq!(reported as usize, file.len());
}

#[test]
fn a_record_that_cannot_be_copied_is_reported() {
    let mut device = device();
    device.install(&signed(6)).unwrap();
    device.with_banks(|[_, live]| live.stick(64, 1));
    let opened = device.store.open();
    // The place reads as used, so the copy goes to the next one.
    assert_eq!(opened.worn, None);
    let mut device = self::device();
    device.install(&signed(6)).unwrap();
    device.with_banks(|[_, live]| live.fail_after(0));
    let opened = device.store.open();
    assert_eq!(opened.worn, Some(FlashError::Driver(Fault::Failed)));
    assert!(opened.live.is_some(), "it serves all the same");
}
