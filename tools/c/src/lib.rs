//! The C interface of the engine.
//!
//! It is the shape-erased model, [`mmoe::Dynamic`], for C and for whatever calls C: it takes any blob,
//! allocates nothing, keeps no state of its own, and returns a number where something is wrong. A model
//! lives in a handle that the caller owns; every call but `mmoe_open` only reads it, so several threads may
//! use one handle, each with scratch of its own.
//!
//! `include/mmoe.h` is made of this source by cbindgen; `docs/c.md` shows how it is used. What crosses the
//! border to C is in [`ffi`], the only place with `unsafe` code.
#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

mod codes;
#[expect(
    unsafe_code,
    reason = "C's pointers and lengths become slices here, and nowhere else"
)]
pub mod ffi;
mod types;

pub use codes::*;
pub use types::*;

/// The panic handler that a program without Rust of its own needs. The engine has no panic path, so a
/// linked library does not hold it: `cargo xtask c-lib` fails where it would.
#[cfg(all(feature = "standalone", not(test)))]
#[panic_handler]
fn a_panic_can_be_reached(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
