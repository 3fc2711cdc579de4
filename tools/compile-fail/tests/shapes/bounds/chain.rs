//! A layer of 5 inputs after one of 4 outputs.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, Seq};

type Of = Mmoe<[Seq<Dense<8, 4, F32>, Dense<5, 3, F32>>; 2], [Gate<8, 2, F32>; 2], [Binary<Head<3, 1, F32>>; 2]>;

fn main() {
    let _ = |m: &Of| m.predict(&[0.0; 8]);
}
