//! Reading hostile bytes under a counting allocator.
#![allow(unsafe_code)]
#![allow(dead_code, reason = "each test binary uses a part")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mmoe_tools::import::{self, Reason, Weights};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, which counts what each thread holds.
struct Counting;

fn count(bytes: isize) {
    LIVE.set(LIVE.get() + bytes);
    PEAK.set(PEAK.get().max(LIVE.get()));
}

// SAFETY: every call is passed on to `System` with the caller's own arguments, so the contract is
// the one the caller already keeps with it. The counters are constant-initialised thread-locals
// without destructors, which neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised to us.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised to us.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Old and new stand side by side while the bytes are copied.
        count(new_size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised to us.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, and the most memory that it held beyond what stood before.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = work();
    (result, (PEAK.get() - before) as usize)
}

/// What a reader may hold at its worst: a small multiple of the file, and a constant for tiny
/// files.
fn allowed(what: &str, file_len: usize) -> usize {
    // The HDF5 library makes room for as many messages of an object as its header claims: at most
    // 65,535 of 40 bytes.
    let claims_messages = what.contains(".h5") || what.contains(".keras");
    let constant = if claims_messages { 3200 } else { 512 };
    20 * file_len + constant * 1024
}

/// Reads `bytes`, which may fail but not panic and not take more memory than [`allowed`].
pub(crate) fn read(what: &str, bytes: Vec<u8>) -> Result<Weights, Reason> {
    let len = bytes.len();
    let allowed = allowed(what, len);
    let (result, peak) = peak(|| catch_unwind(AssertUnwindSafe(|| import::read_bytes(bytes))));
    let result = result.unwrap_or_else(|_| panic!("{what} made a reader panic"));
    assert!(
        peak <= allowed,
        "{what} of {len} bytes made a reader take {peak} bytes"
    );
    if let Ok(weights) = &result {
        for (name, tensor) in &weights.tensors {
            assert_eq!(
                tensor.data.len(),
                tensor.shape.iter().product::<usize>(),
                "{name}"
            );
            let told = weights.notes.iter().any(|n| n.contains("is refused"));
            assert!(told || tensor.not_finite().is_none(), "{name}");
        }
    }
    result
}

/// Where `needle` begins in `haystack`.
pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window[0] == needle[0] && window == needle)
}

/// A zip archive of these members.
pub(crate) fn zipped(method: CompressionMethod, members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in members {
        out.start_file(name.as_str(), options).unwrap();
        out.write_all(content).unwrap();
    }
    out.finish().unwrap().into_inner()
}
