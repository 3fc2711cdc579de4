//! An image that loads a blob and predicts, and nothing else. `cargo xtask no-panic` and `cargo
//! xtask size` build it.
#![no_std]

use core::mem::MaybeUninit;
use firmware_models::Subject;

unsafe extern "C" {
    /// Defined nowhere: an image in which a panic can be reached does not link.
    fn a_panic_can_be_reached() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never linked.
    unsafe { a_panic_can_be_reached() }
}

/// Checks a blob against the type. 0, or the error's code.
///
/// # Safety
///
/// `blob` must be `len` bytes that stay as they are.
#[inline(never)]
pub unsafe fn load<M: Subject>(
    blob: *const u8,
    len: usize,
    model: &mut MaybeUninit<&'static M>,
) -> u32
where
    M: 'static,
{
    // SAFETY: by contract.
    match M::load(unsafe { core::slice::from_raw_parts(blob, len) }) {
        Ok(m) => {
            model.write(m);
            0
        }
        Err(e) => u32::from(e.code()),
    }
}

/// The image's two entry points for one model.
#[macro_export]
macro_rules! image {
    ($model:ty) => {
        use core::mem::MaybeUninit;
        type Model = $model;

        /// Only loads.
        ///
        /// # Safety
        ///
        /// See [`bare::load`].
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn only_load(
            blob: *const u8,
            len: usize,
            model: &mut MaybeUninit<&'static Model>,
        ) -> u32 {
            // SAFETY: by contract.
            unsafe { bare::load::<Model>(blob, len, model) }
        }

        /// Loads and predicts.
        ///
        /// # Safety
        ///
        /// See [`bare::load`].
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn load_and_predict(
            blob: *const u8,
            len: usize,
            x: &<Model as firmware_models::Subject>::Input,
            y: &mut MaybeUninit<<Model as firmware_models::Subject>::Raw>,
        ) -> u32 {
            let mut model = MaybeUninit::uninit();
            // SAFETY: by contract; the model is there where the code is 0.
            unsafe {
                let code = bare::load::<Model>(blob, len, &mut model);
                if code == 0 {
                    y.write(<Model as firmware_models::Subject>::predict_q(
                        model.assume_init(),
                        x,
                    ));
                }
                code
            }
        }
    };
}

/// The two entry points for a model that takes records, or anything else by value.
#[macro_export]
macro_rules! records {
    ($model:ty, $record:ty) => {
        type Model = $model;

        #[inline(never)]
        fn load(bytes: &'static [u8]) -> Result<&'static Model, u32> {
            Model::load(bytes).map_err(|e| u32::from(e.code()) + u32::from(bare::NOTHING))
        }

        /// Only loads.
        ///
        /// # Safety
        ///
        /// `blob` must be `len` bytes that stay as they are.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn only_load(
            blob: *const u8,
            len: usize,
            model: &mut *const Model,
        ) -> u32 {
            // SAFETY: by contract.
            match load(unsafe { core::slice::from_raw_parts(blob, len) }) {
                Ok(m) => {
                    *model = m;
                    0
                }
                Err(code) => code,
            }
        }

        /// Loads and predicts.
        ///
        /// # Safety
        ///
        /// As [`only_load`].
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn load_and_predict(
            blob: *const u8,
            len: usize,
            x: &$record,
            y: &mut [f32; 2],
        ) -> u32 {
            // SAFETY: by contract.
            match load(unsafe { core::slice::from_raw_parts(blob, len) }) {
                Ok(m) => {
                    *y = m.predict(*x);
                    0
                }
                Err(code) => code,
            }
        }
    };
}

/// The entry point for the model that has every kind of feature: predicts and ranks.
#[macro_export]
macro_rules! everything {
    ($precision:ty) => {
        use firmware_models::{Candidate, Context, Everything};

        /// Loads, predicts and ranks.
        ///
        /// # Safety
        ///
        /// `blob` must be `len` bytes and `items` be `n` items that stay as they are.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn load_and_predict(
            blob: *const u8,
            len: usize,
            context: &Context<'static>,
            items: *const Candidate<'static>,
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
            let Ok(model) = Everything::<$precision>::load(bytes) else {
                return sum;
            };
            for best in model
                .rank::<3>(*context, items.iter().copied(), |[y]| *y)
                .iter()
            {
                sum += best.score;
            }
            for item in items {
                let traced = model.predict_traced((*context, *item));
                sum += traced.tasks[0] + traced.run.input.saturated as f32;
            }
            sum
        }
    };
}

/// Links this crate, and with it the panic handler, into an image that has no model.
pub const NOTHING: u8 = 0;
