//! Blobs in flash: which they are, whether they pass the rows that they carry, and whether every
//! bit is the host's.

use crate::{Board, Counter, Failed, calibrate, front, println};
use firmware_models::{
    Curved, Digest, Edge, GOLDEN_ROWS, Golden, Numbers, Recsys, Rng, Subject, blobs, fill, raw,
};
use kernel_battery::kernels;
use mmoe::blob::Blob;
use mmoe::zerocopy::FromZeros;
use mmoe::{
    F32, I8, W8,
    precision::{Pairs, Quad},
};

/// Checks every blob that fits the board.
///
/// # Errors
///
/// Where a blob does not load or a number differs from the host's.
pub fn run(board: &Board) -> Result<(), Failed> {
    let counter = Counter::new(board);
    calibrate(board, &counter)?;
    if board.roomy {
        kernels(board)?;
        front::run(board, &counter)?;
    }
    let rows = if board.fpu { 1000 } else { 100 };
    if board.roomy {
        check::<Edge<F32>>("edge.f32", &blobs::EDGE_F32, rows)?;
    }
    check::<Edge<W8>>("edge.w8", &blobs::EDGE_W8, rows)?;
    check::<Recsys<F32>>("recsys.f32", &blobs::RECSYS_F32, rows)?;
    check::<Recsys<W8>>("recsys.w8", &blobs::RECSYS_W8, rows)?;
    // Integers are quick everywhere.
    check::<Edge<I8>>("edge.i8", &blobs::EDGE_I8, 1000)?;
    check::<Recsys<I8>>("recsys.i8", &blobs::RECSYS_I8, 1000)?;
    if board.roomy {
        check::<Curved<F32>>("curved.f32", &blobs::CURVED_F32, rows)?;
        check::<Curved<W8>>("curved.w8", &blobs::CURVED_W8, rows)?;
        check::<Curved<I8>>("curved.i8", &blobs::CURVED_I8, 1000)?;
        check::<Edge<I8<Quad>>>("edge.i8-quad", &blobs::EDGE_I8_QUAD, 1000)?;
        check::<Edge<I8<Pairs>>>("edge.i8-pairs", &blobs::EDGE_I8_PAIRS, 1000)?;
        check::<Recsys<I8<Quad>>>("recsys.i8-quad", &blobs::RECSYS_I8_QUAD, 1000)?;
        check::<Recsys<I8<Pairs>>>("recsys.i8-pairs", &blobs::RECSYS_I8_PAIRS, 1000)?;
    }
    if board.roomy {
        // The shape-erased view has every kernel, which does not fit beside all of the above elsewhere.
        records("records", raw::shop, &blobs::SHOP, rows)?;
        records("ranking", raw::feed, &blobs::FEED, rows)?;
    }
    Ok(())
}

/// Raw records through a typed and a shape-erased model, by digest.
#[inline(never)]
fn records(
    name: &str,
    model: fn(u32, &mut [u32; raw::SCRATCH]) -> raw::Digests,
    golden: &Golden<'_>,
    rows: usize,
) -> Result<(), Failed> {
    let Some([typed, erased]) = model(rows as u32, &mut [0; raw::SCRATCH]) else {
        println!("{name}: a blob does not load, or a record is refused");
        return Err(Failed);
    };
    let host = golden.digest(rows);
    let same = host == Some(typed) && host == Some(erased);
    let verdict = if same { "the host's" } else { "NOT the host's" };
    println!(
        "{name}: digest of {rows} records, typed {:016x}, erased {:016x}: {verdict}",
        typed.0, erased.0
    );
    if same { Ok(()) } else { Err(Failed) }
}

/// Every kernel of this core, and the portable ones beside them, against plain loops.
#[inline(never)]
fn kernels(board: &Board) -> Result<(), Failed> {
    let of = [
        ("portable", kernels!(mmoe::kernel::portable)),
        (board.name, kernels!(mmoe::kernel)),
    ];
    for (name, kernels) in &of {
        if !kernel_battery::run(kernels, &mut |what| println!("{name}: {what}")) {
            return Err(Failed);
        }
    }
    Ok(())
}

/// Loads a blob, compares the golden rows number by number and `rows` rows by digest.
#[inline(never)]
fn check<M: Subject>(name: &str, (blob, golden): &blobs::Case, rows: usize) -> Result<(), Failed> {
    let model = M::load(blob).map_err(|e| {
        println!("{name}: {e}");
        Failed
    })?;
    identify(name, blob)?;
    match M::self_test(blob) {
        Ok(rows) => println!("{name}: self-test passed, {rows} rows"),
        Err(e) => {
            println!("{name}: {e}");
            return Err(Failed);
        }
    }
    first_row(name, blob, model);

    let mut row = M::Row::new_zeroed();
    let mut rng = Rng::new(Golden::SEED);
    let (mut at, mut wrong) = (0, 0);
    for n in 0..GOLDEN_ROWS {
        fill(&mut rng, row.as_mut());
        let mut compare = |bits: u32, value: f32| {
            if !golden.agrees(at, bits) {
                println!("{name}: row {n}: {value} ({bits:#010x}) is not what the host has");
                wrong += 1;
            }
            at += 1;
        };
        let (shown, gates, _) = model.traced(&row);
        shown.each(&mut compare);
        gates.each(&mut compare);
    }

    let mut digest = Digest::default();
    let mut rng = Rng::new(Golden::SEED);
    for _ in 0..rows {
        fill(&mut rng, row.as_mut());
        digest.row(model, &row);
    }
    let same = golden.digest(rows) == Some(digest);
    let verdict = if same { "the host's" } else { "NOT the host's" };
    println!(
        "{name}: {GOLDEN_ROWS} rows, {at} numbers, {wrong} wrong; digest of {rows} rows {:016x}: \
         {verdict}",
        digest.0
    );
    if same && wrong == 0 && at == golden.numbers() {
        Ok(())
    } else {
        Err(Failed)
    }
}

/// Logs which model this is.
fn identify(name: &str, blob: &[u8]) -> Result<(), Failed> {
    let id = Blob::open(blob).map_err(|_| Failed)?.id();
    println!(
        "{name}: model {} version {}, checksum {:08x}",
        id.name, id.version, id.checksum
    );
    Ok(())
}

/// Prints the first row's outputs, by name, and gate weights.
fn first_row<M: Subject>(name: &str, blob: &[u8], model: &M) {
    let mut row = M::Row::new_zeroed();
    fill(&mut Rng::new(Golden::SEED), row.as_mut());
    let mut tasks = Blob::open(blob).ok().map(|b| b.task_names());
    let (shown, gates, _) = model.traced(&row);
    shown.each(&mut |_, value| {
        let task = tasks
            .as_mut()
            .and_then(Iterator::next)
            .and_then(|n| core::str::from_utf8(n).ok())
            .unwrap_or("?");
        println!("{name}: {task} = {value}");
    });
    let mut weight = 0;
    gates.each(&mut |_, value| {
        println!("{name}: gate weight {weight} = {value}");
        weight += 1;
    });
}
