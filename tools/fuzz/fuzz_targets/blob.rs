//! Any bytes as a blob. Half of them get a length and a checksum that are right, since no fuzzer finds
//! those. What is accepted must predict, twice the same, whatever scratch holds; and the typed view of
//! the same blob, where one of these types accepts it, must give the bits of the shape-erased one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mmoe::blob::{PREAMBLE, VERSION, crc32};
use mmoe::{Aligned, Dense, Dynamic, Gate, Head, I8, Mmoe, Regression, Seq};

/// The type of `small.i8.mmoe`, a seed of the corpus.
type SmallTower = Regression<Seq<Dense<8, 4, I8>, Head<4, 1, I8>>>;
type Small = Mmoe<[Dense<16, 8, I8>; 3], [Gate<16, 3, I8>; 2], [SmallTower; 2]>;

/// The longest input that is looked at: an edge model fits.
const LONGEST: usize = 128 * 1024;

fuzz_target!(|data: &[u8]| {
    let Some((mode, bytes)) = data.split_first() else {
        return;
    };
    if bytes.len() > LONGEST {
        return;
    }
    let mut buffer = Box::new(Aligned([0u8; LONGEST]));
    let blob = &mut buffer[..bytes.len()];
    blob.copy_from_slice(bytes);
    if mode & 1 == 0 && blob.len() > PREAMBLE {
        blob[..4].copy_from_slice(b"MMOE");
        blob[4..6].copy_from_slice(&VERSION.to_le_bytes());
        let total = blob.len() as u32;
        blob[6..10].copy_from_slice(&total.to_le_bytes());
        let sum = crc32(&blob[PREAMBLE..]);
        blob[10..14].copy_from_slice(&sum.to_le_bytes());
    }
    let blob = &*blob;
    let Ok(model) = Dynamic::load(blob) else {
        assert!(Small::load(blob).is_err(), "typed accepts what erased refuses");
        return;
    };
    let words = model.scratch_words();
    let outputs: usize = model.tasks().map(|task| task.width).sum();
    if words > 1 << 18 || outputs > 1 << 16 || model.macs() > 1 << 20 {
        return;
    }
    let value = |i: usize| f32::from_bits(u32::from_le_bytes([*mode; 4]).rotate_left(i as u32));
    let x: Vec<f32> = (0..model.inputs()).map(value).collect();
    let run = |fill: u32| {
        let (mut scratch, mut y) = (vec![fill; words], vec![0.0; outputs]);
        let done = model.predict(&x, &mut scratch, &mut y);
        (done.is_ok(), y.iter().map(|v: &f32| v.to_bits()).collect::<Vec<_>>())
    };
    let first = run(0);
    assert_eq!(first, run(0xa5a5_a5a5), "what scratch holds decides an output");
    let (_, first) = first;
    let tested = model.self_test(&mut vec![0; model.self_test_words().min(1 << 18)]);
    let _ = tested.map_err(|error| error.to_string());
    if let (Ok(typed), Ok(x)) = (Small::load(blob), <[f32; 16]>::try_from(x.as_slice())) {
        assert_eq!(typed.predict(&x).map(f32::to_bits).as_slice(), first, "typed against erased");
    }
});
