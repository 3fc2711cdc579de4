//! The arithmetic: functions over slices, from which layers are made.
//!
//! They take no shapes: the lengths of the slices are the shapes. They never panic; where a slice
//! is too short they do less. [`portable`] is the specification, always compiled; what it computes
//! is fixed in `docs/numerics.md`.

mod order;
pub mod portable;
mod row;

pub use order::{Order, panel_index, quad_biased};
pub use portable::*;
pub use row::{
    Affine32, AffineRow, CURVE_KNOTS, CurveTable, Dice32, DiceRow, InputCounts, InputScale, Norm32,
    NormEnergy, NormRows, Row, RowDice32, RowDiceQ, WideRow,
};

#[cfg(test)]
mod tests;
