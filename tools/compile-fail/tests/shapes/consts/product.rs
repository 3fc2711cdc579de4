//! A product with a task that does not exist.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, Product};

type Of = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], Product<[Binary<Head<4, 1, F32>>; 2], 0, 2>>;

fn main() {
    let _ = Of::load(&[]);
}
