//! The shape-erased view, in every way that it runs.
#![no_std]
#![no_main]

use mmoe::math::Micromath;
use mmoe::{Dynamic, SkipBelow, TaskMask, Value};

/// Runs whatever the blob is.
///
/// # Safety
///
/// The pointers must be so many elements that nobody else changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load_and_predict(
    blob: *const u8,
    len: usize,
    x: *const f32,
    inputs: usize,
    scratch: *mut u32,
    words: usize,
    y: *mut f32,
    outputs: usize,
) -> u32 {
    // SAFETY: by contract.
    let (blob, x, scratch, y) = unsafe {
        (
            core::slice::from_raw_parts(blob, len),
            core::slice::from_raw_parts(x, inputs),
            core::slice::from_raw_parts_mut(scratch, words),
            core::slice::from_raw_parts_mut(y, outputs),
        )
    };
    let Ok(model) = Dynamic::load(blob) else {
        return u32::from(bare::NOTHING);
    };
    const SKIP: SkipBelow = SkipBelow::new(0.1).unwrap();
    let mut done = 0;
    done += u32::from(model.predict(x, scratch, y).is_ok());
    done += u32::from(model.predict_with::<Micromath>(x, scratch, y).is_ok());
    done += u32::from(model.predict_skipping(x, SKIP, scratch, y).is_ok());
    done += u32::from(
        model
            .predict_tasks(x, TaskMask::only(inputs), scratch, y)
            .is_ok(),
    );
    done += model.gate_weights(scratch, inputs, y) as u32;
    done += u32::from(model.expert(inputs, x, scratch, y).is_ok());
    done += u32::from(model.self_test(scratch).is_ok());
    let mut q = [0; 64];
    done += u32::from(model.quantize(x, &mut q).is_ok());
    let mut raw = [0; 32];
    done += u32::from(model.predict_q(&q, scratch, &mut raw).is_ok());
    model.show(&raw, y);
    let lists = [
        Value::Texts(&[b"a", b"bc"]),
        Value::Ids(&[1, 2, 3]),
        Value::Numbers(&[0.5]),
    ];
    let values = [
        Value::Missing,
        Value::Number(*y.first().unwrap_or(&0.0)),
        Value::Integer(-3),
        Value::Id(done),
        Value::Text(blob),
        *lists.get(inputs).unwrap_or(&Value::Integers(&[4])),
    ];
    done += u32::from(model.predict_record(&values, scratch, y).is_ok());
    done += u32::from(model.context(&values, scratch).is_ok());
    done += u32::from(model.predict_in(&values, scratch, y).is_ok());
    done + model.tasks().count() as u32 + model.gates().count() as u32 + model.macs() as u32
}
