//! The interface called from Rust, small enough for Miri, which sees every pointer that is used wrongly:
//! `MMOE_PORTABLE=1 cargo +nightly miri test -p mmoe-c --test interface`.
#![expect(unsafe_code, reason = "it calls functions that are made for C")]
// Every call hands over pointers to arrays of the length beside them, which live through the call.
#![expect(clippy::undocumented_unsafe_blocks, reason = "said once, above")]

use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;
use mmoe::{Aligned, Dynamic};
use mmoe_c::ffi::*;
use mmoe_c::*;

const SMALL: &Aligned<[u8]> =
    mmoe::include_blob!("../../../tests/firmware/models/blobs/small.i8.mmoe");
const SHOP: &Aligned<[u8]> =
    mmoe::include_blob!("../../../examples/firmware/records/src/shop.mmoe");

fn open(blob: &[u8]) -> Model {
    let mut model = MaybeUninit::<Model>::zeroed();
    let status = unsafe { mmoe_open(model.as_mut_ptr(), blob.as_ptr().cast(), blob.len()) };
    assert_eq!(status, MMOE_OK);
    unsafe { model.assume_init() }
}

/// Scratch of exactly the size that the model asks for, so that one byte beyond it is an error.
fn scratch(model: &Model) -> (Vec<u32>, usize) {
    let bytes = unsafe { mmoe_scratch_size(model) };
    (vec![0; bytes.div_ceil(4)], bytes)
}

fn number(x: f32) -> Value {
    Value {
        kind: MMOE_KIND_NUMBER,
        count: 0,
        r#as: Content { number: x },
    }
}

fn id(x: u32) -> Value {
    Value {
        kind: MMOE_KIND_ID,
        count: 0,
        r#as: Content { id: x },
    }
}

fn text(x: &'static str) -> Value {
    Value {
        kind: MMOE_KIND_TEXT,
        count: x.len() as u32,
        r#as: Content {
            text: x.as_ptr().cast(),
        },
    }
}

#[test]
fn outputs_and_gates_are_the_engines() {
    let (model, engine) = (open(SMALL), Dynamic::load(SMALL).unwrap());
    let x: Vec<f32> = (0..engine.inputs()).map(|i| i as f32 / 8.0 - 0.5).collect();
    let (mut words, bytes) = scratch(&model);
    let mut y = vec![0.0; engine.outputs()];
    let mut gates = vec![0.0; unsafe { mmoe_gate_count(&model) }];
    let status = unsafe {
        mmoe_predict_gates(
            &model,
            x.as_ptr(),
            x.len(),
            words.as_mut_ptr().cast(),
            bytes,
            y.as_mut_ptr(),
            y.len(),
            gates.as_mut_ptr(),
            gates.len(),
        )
    };
    assert_eq!(status, MMOE_OK);
    let mut there = vec![0; engine.scratch_words()];
    let mut expected = vec![0.0; y.len()];
    engine.predict(&x, &mut there, &mut expected).unwrap();
    assert_eq!(y, expected);
    let mut first = [0.0; 128];
    let sees = engine.gate_weights(&there, 0, &mut first);
    assert_eq!(gates[..sees], first[..sees]);
}

#[test]
fn records_are_the_engines_and_their_mistakes_have_codes() {
    let (model, engine) = (open(SHOP), Dynamic::load(SHOP).unwrap());
    let missing = Value {
        kind: MMOE_KIND_MISSING,
        ..number(0.0)
    };
    let tags = [
        Text {
            bytes: c"new".as_ptr(),
            length: 3,
        },
        Text {
            bytes: c"".as_ptr(),
            length: 0,
        },
    ];
    let history = [4_u32, 1, 7];
    let list = |kind, count, r#as| Value { kind, count, r#as };
    let texts = |n| {
        list(
            MMOE_KIND_TEXTS,
            n,
            Content {
                texts: tags.as_ptr(),
            },
        )
    };
    let ids = Content {
        ids: history.as_ptr(),
    };
    let mut record = [
        number(38.5),
        text("de"),
        number(2.25),
        id(12345),
        text("spring"),
        text("u-17"),
        list(MMOE_KIND_IDS, 3, ids),
        id(5),
        texts(1),
        number(0.5),
        number(-0.5),
        number(3.0),
        number(19.99),
        missing,
        text("phone"),
        id(1),
        text("news"),
        id(13),
        texts(2),
    ];
    use mmoe::Value as V;
    let fields = [
        V::Number(38.5),
        V::Text(b"de"),
        V::Number(2.25),
        V::Id(12345),
        V::Text(b"spring"),
        V::Text(b"u-17"),
        V::Ids(&[4, 1, 7]),
        V::Id(5),
        V::Texts(&[b"new"]),
        V::Number(0.5),
        V::Number(-0.5),
        V::Number(3.0),
        V::Number(19.99),
        V::Missing,
        V::Text(b"phone"),
        V::Id(1),
        V::Text(b"news"),
        V::Id(13),
        V::Texts(&[b"new", b""]),
    ];
    let (mut words, bytes) = scratch(&model);
    let mut y = [0.0; 2];
    let mut predict = |record: &[Value], fields: usize, bytes: usize| {
        let status = unsafe {
            mmoe_predict_record(
                &model,
                record.as_ptr(),
                fields,
                words.as_mut_ptr().cast(),
                bytes,
                y.as_mut_ptr(),
                y.len(),
            )
        };
        (status, y)
    };
    let mut expected = [0.0; 2];
    let mut there = vec![0; engine.scratch_words()];
    engine
        .predict_record(&fields, &mut there, &mut expected)
        .unwrap();
    assert_eq!(predict(&record, 19, bytes), (MMOE_OK, expected));
    assert_eq!(predict(&record, 18, bytes).0, MMOE_E_FIELDS);
    // Up to seven bytes may be there for alignment alone.
    assert_eq!(predict(&record, 19, bytes - 12).0, MMOE_E_SCRATCH);
    record[0] = id(38);
    assert_eq!(predict(&record, 19, bytes).0, MMOE_E_VALUE);
    record[0].kind = 9;
    assert_eq!(predict(&record, 19, bytes).0, MMOE_E_KIND);
    record[0] = list(
        MMOE_KIND_TEXT,
        3,
        Content {
            text: core::ptr::null(),
        },
    );
    assert_eq!(predict(&record, 19, bytes).0, MMOE_E_NULL);
    let nothing = Text {
        bytes: core::ptr::null(),
        length: 0,
    };
    record[0] = list(MMOE_KIND_TEXTS, 1, Content { texts: &nothing });
    assert_eq!(predict(&record, 19, bytes).0, MMOE_E_NULL);
}

#[test]
fn what_is_wrong_has_its_code() {
    let mut model = open(SMALL);
    let inputs = unsafe { mmoe_inputs(&model) };
    let mut x = vec![0.5_f32; inputs];
    let (mut words, bytes) = scratch(&model);
    let mut y = vec![0.0; unsafe { mmoe_outputs(&model) }];
    let (room, out, count) = (words.as_mut_ptr(), y.as_mut_ptr(), y.len());
    let predict = |model: &Model, x: *const f32, room: *mut c_void, bytes, out: *mut f32| unsafe {
        mmoe_predict(model, x, inputs, room, bytes, out, count)
    };
    let at = x.as_mut_ptr();
    assert_eq!(predict(&model, at, room.cast(), bytes, out), MMOE_OK);
    assert_eq!(
        predict(&model, at, room.cast(), bytes - 4, out),
        MMOE_E_SCRATCH
    );
    assert_eq!(predict(&model, at, room.cast(), bytes, at), MMOE_E_OVERLAP);
    let odd = room.cast::<u8>().wrapping_add(1).cast();
    assert_eq!(predict(&model, at, odd, bytes - 4, out), MMOE_E_MISALIGNED);
    assert_eq!(
        predict(&model, core::ptr::null(), room.cast(), bytes, out),
        MMOE_E_NULL
    );

    // A handle is closed where opening it fails.
    let status = unsafe { mmoe_open(&mut model, SMALL.as_ptr().cast(), SMALL.len() - 1) };
    assert_eq!(status, MMOE_E_TRUNCATED);
    assert_eq!(
        predict(&model, at, room.cast(), bytes, out),
        MMOE_E_NOT_OPEN
    );
    let mut task = MaybeUninit::uninit();
    assert_eq!(
        unsafe { mmoe_task(&model, 0, task.as_mut_ptr()) },
        MMOE_E_NOT_OPEN
    );
    let line = unsafe { CStr::from_ptr(mmoe_error_name(status)) };
    assert_eq!(
        line,
        c"MMOE_E_TRUNCATED: the blob is cut: fetch the file again"
    );
}

#[test]
fn the_best_are_kept_in_order() {
    let mut best = [MaybeUninit::<Ranked>::uninit(); 2];
    let mut taken = 0;
    for (index, score) in [0.25, 0.75, f32::NAN, 0.75, 0.5].into_iter().enumerate() {
        let at = best.as_mut_ptr().cast();
        let status = unsafe { mmoe_rank_offer(at, 2, &mut taken, index as u32, score) };
        assert_eq!(status, MMOE_OK);
    }
    let best = best.map(|b| unsafe { b.assume_init() });
    assert_eq!((taken, best[0].index, best[1].index), (2, 1, 3));
}
