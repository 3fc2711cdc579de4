//! The rules of a front end, broken one at a time.

use super::rules::Break;
use mmoe::blob::{CoderKind, FeatureRecord, Given, Makes, PrecisionKind, SectionTag};
use mmoe::zerocopy::FromBytes;
use mmoe::{Dynamic, LoadError};
use mmoe_tools::blob::message::Header;
use testkit::fronts;
use testkit::graphs::assembled;

/// A record of a number.
fn number() -> FeatureRecord {
    FeatureRecord {
        given: Given::F32.code(),
        coder: CoderKind::Number.code(),
        makes: Makes::Number.code(),
        precision: PrecisionKind::F32.code(),
        width: 1.into(),
        items: 1,
        flags: 0,
        field: 0,
        table: 0,
        reserved: 0.into(),
        entries: 0.into(),
        rows: 0.into(),
        text: 0.into(),
    }
}

/// A number, a list of ids whose rows are pooled, an id that reads the same table, the same id again as
/// a slot, and a candidate's text.
fn header() -> (Header, Vec<u8>) {
    let ids = FeatureRecord {
        given: Given::U32.code() | FeatureRecord::LIST,
        coder: CoderKind::Sorted.code(),
        makes: Makes::Mean.code(),
        width: 3.into(),
        items: 20,
        field: 1,
        table: 1,
        entries: 2.into(),
        rows: 4.into(),
        ..number()
    };
    let id = FeatureRecord {
        given: Given::U32.code(),
        makes: Makes::Row.code(),
        items: 1,
        field: 2,
        ..ids
    };
    let slot = FeatureRecord {
        makes: Makes::Slot.code(),
        width: 1.into(),
        rows: 0.into(),
        ..id
    };
    let text = FeatureRecord {
        given: Given::Text.code(),
        coder: CoderKind::Exact.code() | FeatureRecord::MAYBE,
        makes: Makes::Row.code(),
        width: 2.into(),
        flags: FeatureRecord::CANDIDATE,
        field: 3,
        table: 4,
        entries: 1.into(),
        rows: 2.into(),
        text: 3.into(),
        ..number()
    };
    let records = [number(), ids, id, slot, text];
    let sizes = records.iter().enumerate().map(|(at, r)| {
        let bytes = r.bytes(at, false).unwrap();
        bytes.total().unwrap()
    });
    // 4; 12 of keys and 48 of rows; nothing; the column; 12 + 4 + 2 + 3 to a multiple of 4, and 16.
    let sizes: Vec<usize> = sizes.collect();
    assert_eq!(sizes, [4, 60, 0, 4, 40]);
    fronts::shown(&records, &vec![0; sizes.iter().sum()], 10, false)
}

/// Changes record `at`.
fn change(h: &mut Header, at: usize, change: impl FnOnce(&mut FeatureRecord)) {
    let bytes = &mut h.sections[0].1[24 * at..][..24];
    change(FeatureRecord::mut_from_bytes(bytes).unwrap());
}

pub(super) const BREAKS: &[Break] = &[
    (16, 0, |h| h.sections.clear()),
    (16, 0, |h| h.sections[0].1.truncate(100)),
    (16, 256, |h| {
        let records = &mut h.sections[0].1;
        *records = records[..24].repeat(256);
    }),
    (18, 0, |h| change(h, 0, |r| r.given = 4)),
    (18, 0, |h| change(h, 0, |r| r.given = Given::Text.code())),
    (18, 0, |h| change(h, 0, |r| r.given |= FeatureRecord::LIST)),
    (18, 0, |h| change(h, 0, |r| r.coder = 9)),
    (18, 0, |h| change(h, 0, |r| r.coder |= FeatureRecord::MAYBE)),
    (18, 0, |h| {
        change(h, 0, |r| r.coder = CoderKind::Direct.code())
    }),
    (18, 0, |h| change(h, 0, |r| r.makes = 7)),
    (18, 0, |h| change(h, 0, |r| r.makes = Makes::Row.code())),
    (18, 0, |h| change(h, 0, |r| r.precision = 4)),
    (18, 0, |h| {
        change(h, 0, |r| r.precision = PrecisionKind::I16.code())
    }),
    (18, 0, |h| {
        change(h, 0, |r| r.precision = PrecisionKind::W8.code())
    }),
    (18, 0, |h| change(h, 0, |r| r.width = 2.into())),
    (18, 0, |h| change(h, 0, |r| r.items = 2)),
    (18, 0, |h| change(h, 0, |r| r.flags = 12)),
    (18, 0, |h| change(h, 0, |r| r.flags = 64)),
    (18, 0, |h| {
        change(h, 0, |r| r.flags = FeatureRecord::KEEP_LAST)
    }),
    (18, 0, |h| change(h, 0, |r| r.reserved = 1.into())),
    (18, 0, |h| change(h, 0, |r| r.entries = 1.into())),
    (18, 0, |h| change(h, 0, |r| r.rows = 1.into())),
    (18, 0, |h| change(h, 0, |r| r.text = 1.into())),
    (18, 1, |h| change(h, 1, |r| r.given = Given::U32.code())),
    (18, 1, |h| {
        change(h, 1, |r| r.coder = CoderKind::Texts.code())
    }),
    (18, 1, |h| change(h, 1, |r| r.makes = Makes::Rows.code())),
    (18, 1, |h| change(h, 1, |r| r.items = 0)),
    (18, 1, |h| change(h, 1, |r| r.width = 0.into())),
    (18, 1, |h| change(h, 1, |r| r.flags = FeatureRecord::LOG1P)),
    (18, 1, |h| {
        change(h, 1, |r| r.flags = FeatureRecord::REPEATS)
    }),
    (18, 1, |h| change(h, 1, |r| r.entries = 0.into())),
    (18, 1, |h| change(h, 1, |r| r.rows = 0.into())),
    (18, 1, |h| {
        change(h, 1, |r| r.precision = PrecisionKind::I8.code())
    }),
    (18, 3, |h| change(h, 3, |r| r.rows = 4.into())),
    (18, 3, |h| change(h, 3, |r| r.width = 2.into())),
    (18, 4, |h| change(h, 4, |r| r.text = 0x1_0000.into())),
    (19, 0, |h| change(h, 0, |r| r.field = 1)),
    (19, 2, |h| change(h, 2, |r| r.field = 3)),
    (19, 2, |h| change(h, 2, |r| r.field = 1)),
    (19, 2, |h| change(h, 2, |r| r.table = 0)),
    (19, 2, |h| change(h, 2, |r| r.table = 3)),
    (19, 2, |h| change(h, 2, |r| r.entries = 3.into())),
    (19, 2, |h| change(h, 2, |r| r.rows = 3.into())),
    (19, 2, |h| {
        change(h, 2, |r| r.precision = PrecisionKind::W8.code())
    }),
    (19, 3, |h| change(h, 3, |r| r.table = 2)),
    (19, 3, |h| change(h, 3, |r| r.coder |= FeatureRecord::MAYBE)),
    (19, 3, |h| {
        change(h, 3, |r| r.flags = FeatureRecord::CANDIDATE)
    }),
    (20, 1, |h| {
        change(h, 0, |r| r.flags = FeatureRecord::CANDIDATE)
    }),
    (20, 5, |h| change(h, 4, |r| r.width = 3.into())),
    (20, 5, |h| h.inputs[0].count = 11),
];

#[test]
fn a_front_end_keeps_every_rule() {
    let (header, weights) = header();
    let blob = assembled(&header, &weights);
    let model = Dynamic::load(&blob).unwrap();
    assert_eq!(
        (model.inputs(), model.fields(), model.outputs()),
        (10, 4, 10)
    );
    // The limit of features itself.
    let records: Vec<FeatureRecord> = (0..255)
        .map(|i| FeatureRecord {
            field: i,
            table: i,
            ..number()
        })
        .collect();
    let blob = fronts::blob(&records, &[0; 4 * 255], 255, false);
    assert_eq!(Dynamic::load(&blob).unwrap().fields(), 255);
}

#[test]
fn each_broken_rule_of_a_front_end_is_named() {
    let (header, weights) = header();
    for (i, (rule, at, change)) in BREAKS.iter().enumerate() {
        let mut broken = header.clone();
        change(&mut broken);
        let bytes = assembled(&broken, &weights);
        assert_eq!(
            Dynamic::load(&bytes).err(),
            Some(LoadError::Record {
                at: *at,
                rule: *rule
            }),
            "change {i}, of rule {rule}"
        );
    }
    // The section of a model that takes numbers says nothing, and one that is not there is none.
    let mut raw = header.clone();
    raw.inputs[0].kind = 0;
    assert!(Dynamic::load(&assembled(&raw, &[])).is_ok());
    assert_eq!(raw.sections[0].0, SectionTag::Features.code());
}
