//! Dense layers on vectors: some panels of a matrix against some rows of a batch, in one loop over the
//! columns. An architecture says what a vector is; the walk is the same for all.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

pub(super) mod float;
pub(super) mod int8;
