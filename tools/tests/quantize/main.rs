//! The integer quantizer: the bits of its blobs, what it proves, how good its models are, what it
//! refuses.

mod bits;
mod evaluation;
mod quality;
mod random;
mod refused;
