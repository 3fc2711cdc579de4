//! The interface of a library for one model, whose type was known when it was built.
//!
//! [`typed_model!`](crate::typed_model) writes the functions; `cargo xtask c-lib --model` makes a crate of one
//! line around it.

use super::memory::{apart, check, place, range, read, status};
use crate::codes::Status;
use core::ffi::c_void;
use core::mem::{align_of, size_of};
use mmoe::{Blob, LoadError, SelfTestError};

/// Checks a blob and writes where the model in it lies.
///
/// # Safety
///
/// `model` points to a pointer, and `blob` to `bytes` bytes that stay there, unchanged, as long as the
/// model is used.
pub unsafe fn open<M: 'static>(
    model: *mut *const M,
    blob: *const c_void,
    bytes: usize,
    load: impl FnOnce(&'static [u8]) -> Result<&'static M, LoadError>,
) -> Status {
    status(|| {
        // SAFETY: the caller promises memory for a pointer.
        let model = unsafe { place(model) }?;
        model.write(core::ptr::null());
        // SAFETY: the caller promises the bytes, and that they stay.
        let blob = unsafe { read(blob.cast::<u8>(), bytes) }?;
        model.write(load(blob).map_err(|e| Status::from(e.code()))?);
        Ok(())
    })
}

/// Predicts from an array of features, and writes the outputs.
///
/// # Safety
///
/// `model` is null or one that [`open`] gave; `x` points to an `X` and `y` to memory for a `Y`.
pub unsafe fn predict<M, X, Y>(
    model: *const M,
    x: *const X,
    y: *mut Y,
    predict: impl FnOnce(&M, &X) -> Y,
) -> Status {
    status(|| {
        check(model, 1)?;
        check(x, 1)?;
        apart(range(y, 1), &[range(x, 1)])?;
        // SAFETY: `check` found the pointers good; the model is one that `open` gave, nobody writes to the
        // features, and the outputs share no byte with them.
        let (model, x, y) = unsafe { (&*model, &*x, place(y)?) };
        y.write(predict(model, x));
        Ok(())
    })
}

/// Runs the self-test rows of a blob.
///
/// # Safety
///
/// `blob` points to `bytes` bytes; `rows` is null or points to a number.
pub unsafe fn self_test(
    blob: *const c_void,
    bytes: usize,
    rows: *mut u32,
    test: impl FnOnce(&Blob<'_>) -> Result<u32, SelfTestError>,
) -> Status {
    status(|| {
        // SAFETY: the caller promises the bytes.
        let blob = unsafe { read(blob.cast::<u8>(), bytes) }?;
        let opened = Blob::open(blob).map_err(|e| Status::from(e.code()))?;
        let count = test(&opened).map_err(|e| Status::from(e.code()))?;
        if !rows.is_null() {
            // SAFETY: it is not null, and so the caller promises memory for a number.
            unsafe { place(rows) }?.write(count);
        }
        Ok(())
    })
}

/// Fails to compile where outputs are not so many floats in a row, as the generated header has them.
#[must_use]
pub const fn outputs_are_floats<Y>(count: usize) -> bool {
    size_of::<Y>() == count * size_of::<f32>() && align_of::<Y>() == align_of::<f32>()
}

/// Writes the C functions of one model: its type, its numbers of features and outputs, the type of its
/// outputs, and the functions' names.
#[macro_export]
macro_rules! typed_model {
    (
        $Model:ty, $inputs:expr, $outputs:expr;
        $open:ident, $predict:ident, $self_test:ident, $error_name:ident
    ) => {
        /// Checks a blob and gives the model in it.
        ///
        /// # Safety
        ///
        /// `model` points to a pointer, and `blob` to `bytes` bytes that stay.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $open(
            model: *mut *const $Model,
            blob: *const core::ffi::c_void,
            bytes: usize,
        ) -> $crate::Status {
            // SAFETY: C promises the same for this function.
            unsafe { $crate::ffi::typed::open(model, blob, bytes, |blob| <$Model>::load(blob)) }
        }

        /// Computes all outputs of one row.
        ///
        /// # Safety
        ///
        /// `model` is one that was opened, `x` and `y` point to the features and to room for the outputs.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $predict(
            model: *const $Model,
            x: *const [f32; $inputs],
            y: *mut f32,
        ) -> $crate::Status {
            fn run<M, X, Y>(
                model: *const M,
                x: *const X,
                y: *mut f32,
                f: impl FnOnce(&M, &X) -> Y,
            ) -> $crate::Status {
                const {
                    assert!($crate::ffi::typed::outputs_are_floats::<Y>($outputs));
                }
                // SAFETY: C promises it; the outputs are so many floats, as the compiler just found.
                unsafe { $crate::ffi::typed::predict(model, x, y.cast::<Y>(), f) }
            }
            run(model, x, y, |model, x| model.predict(x))
        }

        /// Runs the self-test rows of the blob.
        ///
        /// # Safety
        ///
        /// `blob` points to `bytes` bytes; `rows` is null or points to a number.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $self_test(
            blob: *const core::ffi::c_void,
            bytes: usize,
            rows: *mut u32,
        ) -> $crate::Status {
            // SAFETY: C promises the same for this function.
            unsafe {
                $crate::ffi::typed::self_test(blob, bytes, rows, |blob| {
                    <$Model>::from_blob(blob)?.self_test(blob)
                })
            }
        }

        /// A line on a code that a function returned.
        #[unsafe(no_mangle)]
        pub extern "C" fn $error_name(code: $crate::Status) -> *const core::ffi::c_char {
            $crate::error_line(code).as_ptr()
        }
    };
}
