//! Experts of unlike widths.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, parallel::List2};

type Of = Mmoe<List2<Dense<8, 4, F32>, Dense<8, 3, F32>>, [Gate<8, 2, F32>; 2], [Binary<Head<4, 1, F32>>; 2]>;

fn main() {
    let _ = |m: &Of| m.predict(&[0.0; 8]);
}
