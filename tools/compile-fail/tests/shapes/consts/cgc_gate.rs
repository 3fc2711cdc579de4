//! Gates over 4 experts, where a task has 1 of its own and 2 shared ones.
use mmoe::{Binary, Cgc, Dense, F32, Gate, Head};

type Of = Cgc<[Dense<8, 4, F32>; 1], [Dense<8, 4, F32>; 2], Gate<8, 4, F32>, [Binary<Head<4, 1, F32>>; 2], 2>;

fn main() {
    let _ = Of::load(&[]).map(|m| m.predict(&[0.0; 8]));
}
