//! Every kernel against an oracle written separately from `docs/numerics.md`: plain loops in f64 or
//! i128.

mod curve;
mod dense_float;
mod dense_int;
mod dice;
mod elementwise;
mod fixed_point;
mod gates;
mod norm;
mod rules;
mod values;
