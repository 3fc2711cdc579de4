//! Integer experts under float gates.
use mmoe::{Binary, Dense, F32, Gate, Head, I8, Mmoe};

type Of = Mmoe<[Dense<8, 4, I8>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<4, 1, I8>>; 2]>;

fn main() {
    let _ = |m: &Of| m.predict(&[0.0; 8]);
}
