//! From C's pointers and lengths to references, with every check that can be made.

use crate::codes::{
    MMOE_E_LENGTH, MMOE_E_MISALIGNED, MMOE_E_NULL, MMOE_E_OVERLAP, MMOE_OK, Status,
};
use core::ffi::c_void;
use core::mem::{MaybeUninit, size_of};
use core::slice;

/// Checks that an array of C can be a slice: its pointer is not null where there are elements, it is aligned,
/// and its length fits.
pub(super) fn check<T>(pointer: *const T, count: usize) -> Result<(), Status> {
    if pointer.is_null() {
        return Err(MMOE_E_NULL);
    }
    if !pointer.is_aligned() {
        return Err(MMOE_E_MISALIGNED);
    }
    match count.checked_mul(size_of::<T>()) {
        // A slice is never longer than half of the address space.
        Some(bytes) if bytes <= isize::MAX as usize => Ok(()),
        _ => Err(MMOE_E_LENGTH),
    }
}

/// An array that C reads.
///
/// # Safety
///
/// `pointer` is null or points to `count` elements that nobody writes to as long as `'a`.
pub(super) unsafe fn read<'a, T>(pointer: *const T, count: usize) -> Result<&'a [T], Status> {
    if count == 0 {
        return Ok(&[]);
    }
    check(pointer, count)?;
    // SAFETY: the pointer is not null, it is aligned and the length fits, as `check` found; the elements
    // are there and stay, as the caller promises.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// An array that C writes.
///
/// # Safety
///
/// `pointer` is null or points to `count` elements that nobody else uses as long as `'a`.
pub(super) unsafe fn write<'a, T>(pointer: *mut T, count: usize) -> Result<&'a mut [T], Status> {
    if count == 0 {
        return Ok(&mut []);
    }
    check(pointer, count)?;
    // SAFETY: as in `read`, and nobody else uses the elements.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// The one value that a pointer of C points to.
///
/// # Safety
///
/// `pointer` is null or points to memory for a `T` that nobody else uses as long as `'a`.
pub(super) unsafe fn place<'a, T>(pointer: *mut T) -> Result<&'a mut MaybeUninit<T>, Status> {
    check(pointer, 1)?;
    // SAFETY: it is not null and aligned, as `check` found, and what lies there need be no `T` yet.
    Ok(unsafe { &mut *pointer.cast() })
}

/// Where an array lies. Only addresses are compared, so that overlapping arrays are found before there are
/// two references to one place.
pub(super) fn range<T>(pointer: *const T, count: usize) -> (usize, usize) {
    let bytes = count.saturating_mul(size_of::<T>());
    (pointer.addr(), pointer.addr().saturating_add(bytes))
}

/// Fails where an array that is written shares bytes with another.
pub(super) fn apart(written: (usize, usize), others: &[(usize, usize)]) -> Result<(), Status> {
    let shares = |other: &(usize, usize)| {
        written.0 < other.1 && other.0 < written.1 && written.0 < written.1 && other.0 < other.1
    };
    if others.iter().any(shares) {
        return Err(MMOE_E_OVERLAP);
    }
    Ok(())
}

/// The words of a scratch of so many bytes.
///
/// # Safety
///
/// As for [`write`], for `bytes` bytes.
pub(super) unsafe fn words<'a>(
    scratch: *mut c_void,
    bytes: usize,
) -> Result<&'a mut [u32], Status> {
    // SAFETY: so many bytes hold so many whole words.
    unsafe { write(scratch.cast::<u32>(), bytes / size_of::<u32>()) }
}

/// Runs what may fail, and returns its code.
pub(super) fn status(run: impl FnOnce() -> Result<(), Status>) -> Status {
    match run() {
        Ok(()) => MMOE_OK,
        Err(status) => status,
    }
}
