//! The 3 largest of 2.
use mmoe::{Binary, Dense, F32, Head, Logits, Mmoe, gate::TopKGate};

type Of = Mmoe<[Dense<8, 4, F32>; 2], [TopKGate<Logits<8, 2, F32>, 3, true>; 1], [Binary<Head<4, 1, F32>>; 1]>;

fn main() {
    let _ = Of::load(&[]);
}
