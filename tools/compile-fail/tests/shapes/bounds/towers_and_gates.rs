//! Three towers, two gates.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe};

type Of = Mmoe<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<4, 1, F32>>; 3]>;

fn main() {
    let _ = |m: &Of| m.predict(&[0.0; 8]);
}
