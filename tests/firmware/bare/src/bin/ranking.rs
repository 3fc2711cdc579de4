//! Ranking, of a model whose gates are a list, and all that a typed model does beside predicting.
#![no_std]
#![no_main]

use mmoe::gate::{DSelectKGate, SoftmaxGate, TopKGate};
use mmoe::parallel::List3;
use mmoe::{Binary, Blob, Dense, Head, I8, I16, Logits, Mmoe, Product, SkipBelow, TaskMask};

type Model = Mmoe<
    [Dense<7, 5, I8>; 4],
    List3<
        SoftmaxGate<Logits<7, 4, I16>>,
        TopKGate<Logits<7, 4, I8>, 2, true>,
        DSelectKGate<Logits<7, 6, I8>, 4, 2>,
    >,
    Product<[Binary<Head<5, 1, I8>>; 3], 0, 2>,
>;

/// Ranks, and runs the model in every other way.
///
/// # Safety
///
/// `blob` must be `len` bytes and `items` be `n` items that stay as they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn load_and_predict(
    blob: *const u8,
    len: usize,
    x: &[f32; 7],
    user: &[f32; 4],
    items: *const [f32; 3],
    n: usize,
) -> f32 {
    // SAFETY: by contract.
    let (bytes, items) = unsafe {
        (
            core::slice::from_raw_parts(blob, len),
            core::slice::from_raw_parts(items, n),
        )
    };
    let mut sum = f32::from(bare::NOTHING);
    let Ok(blob) = Blob::open(bytes) else {
        return sum;
    };
    let Ok(model) = Model::from_blob(&blob) else {
        return sum;
    };
    sum += f32::from(u8::from(model.self_test(&blob).is_ok()));
    for best in model.rank::<4, 3, 3>(user, items, |y| y.product).iter() {
        sum += best.score;
    }
    let mut y = model.predict(x);
    let run = model.predict_tasks(x, TaskMask::only(3), &mut y);
    sum += y.product + run.experts as f32;
    const SKIP: SkipBelow = SkipBelow::new(0.1).unwrap();
    sum + model.predict_skipping(x, SKIP).tasks.product
}
