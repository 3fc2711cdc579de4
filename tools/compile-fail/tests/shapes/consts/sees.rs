//! A mask of 3 experts for a gate over 2.
use mmoe::{Binary, Dense, F32, Gate, Head, Mmoe, gate::MaskedGate};

type Of = Mmoe<[Dense<8, 4, F32>; 4], [MaskedGate<Gate<8, 2, F32>, 0b0111, 4>; 1], [Binary<Head<4, 1, F32>>; 1]>;

fn main() {
    let _ = Of::load(&[]);
}
