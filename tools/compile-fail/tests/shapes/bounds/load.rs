//! The same bounds hold where a model is loaded.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe};

type Of = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<5, 1, F32>>; 2]>;

fn main() {
    let _ = Of::load(&[]);
}
