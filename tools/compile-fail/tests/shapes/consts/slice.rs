//! A slice that ends beyond the input.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, layer::Slice};

type Of = Mmoe<[Slice<8, 6, Dense<3, 4, F32>>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<4, 1, F32>>; 2]>;

fn main() {
    let _ = Of::load(&[]).map(|m| m.predict(&[0.0; 8]));
}
