//! Three experts on two streams: expert i reads stream i.
use mmoe::{Binary, Dense, F32, Gate, Head, MmoeLevel, Model, Raw, trunk::Stacked};

type First = MmoeLevel<[Dense<8, 4, F32>; 2], [Gate<8, 2, F32>; 2]>;
type Second = MmoeLevel<[Dense<4, 4, F32>; 3], [Gate<4, 3, F32>; 2]>;
type Of = Model<Raw<[f32; 8]>, Stacked<First, Second>, [Binary<Head<4, 1, F32>>; 2]>;

fn main() {
    let _ = Of::load(&[]).map(|m| m.predict(&[0.0; 8]));
}
