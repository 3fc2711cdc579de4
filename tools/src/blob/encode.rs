//! Encodes layers as records and bytes.
//!
//! The bytes must be those of the engine's `repr(C)` structs. The layout is written out here and
//! nowhere else in the tool, and the tests compare it with the structs.

use super::message;
pub use mmoe::blob::PackingKind as Packing;
use mmoe::blob::{LayerKind, LayerRecord, PackingKind, PrecisionKind};
use mmoe::kernel::{
    AffineRow, CurveTable, Dice32, DiceRow, InputScale, NormEnergy, Order, Row, RowDice32,
    RowDiceQ, WideRow, pairs_high, pairs_index, panel_index, quad_biased,
};
use zerocopy::IntoBytes;

use crate::graph::{Activation, Normalization};

/// Records and weights as they grow, layer by layer.
#[derive(Debug, Default)]
pub struct Encoder {
    /// One per layer so far.
    pub layers: Vec<message::Layer>,
    /// Their bytes.
    pub weights: Vec<u8>,
}

/// What the first bytes of a layer's record say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its outputs are activations.
    Dense,
    /// Its outputs are logits.
    Logits,
}

/// What stands behind an integer layer for its activation.
#[derive(Debug, Clone, Copy)]
pub enum Stored<'a> {
    /// Nothing.
    Nothing,
    /// A slope as Q14.
    Slope(i16),
    /// A curve's table.
    Table(&'a CurveTable),
}

/// `weight` (row after row) in the stored order.
fn panels<T: Copy + Default>(order: Order, weight: &[T], inputs: usize, outputs: usize) -> Vec<T> {
    let mut stored = vec![T::default(); weight.len()];
    for r in 0..outputs {
        for c in 0..inputs {
            stored[panel_index(order, outputs, inputs, r, c)] = weight[r * inputs + c];
        }
    }
    stored
}

/// `weight` in panels of four whose first three rows are stored with 128 added.
fn quad(weight: &[i8], inputs: usize, outputs: usize) -> Vec<i8> {
    let mut stored = panels(Order::Fours, weight, inputs, outputs);
    for r in (0..outputs).filter(|r| quad_biased(outputs, *r)) {
        for c in 0..inputs {
            let w = &mut stored[panel_index(Order::Fours, outputs, inputs, r, c)];
            *w = w.wrapping_add(-128);
        }
    }
    stored
}

/// `weight` with two rows of a panel in each int16.
fn pairs(weight: &[i8], inputs: usize, outputs: usize) -> Vec<i8> {
    let mut stored = vec![0; weight.len()];
    for r in 0..outputs {
        let upper = r % 2 == 1 && r < outputs / 4 * 4;
        for c in 0..inputs {
            let w = weight[r * inputs + c];
            stored[pairs_index(outputs, inputs, r, c)] = if upper {
                pairs_high(weight[(r - 1) * inputs + c], w)
            } else {
                w
            };
        }
    }
    stored
}

impl Encoder {
    /// A layer that multiplies by a matrix.
    fn dense(
        &mut self,
        role: Role,
        act: Activation,
        format: (PrecisionKind, PackingKind),
        inputs: usize,
        outputs: usize,
    ) {
        let what = match role {
            Role::Logits => LayerKind::Logits,
            Role::Dense => LayerKind::Dense,
        };
        let record = LayerRecord::matrix(what, act.code().0, format, inputs, outputs);
        self.layers.push(record.into());
    }

    /// A layer that does not.
    fn vector(&mut self, what: LayerKind, precision: PrecisionKind, inputs: usize, outputs: usize) {
        let record = LayerRecord::vector(what, precision, inputs, outputs);
        self.layers.push(record.into());
    }

    /// Numbers and codes in front of a layer: so many elements, of which so many are numbers. `one` is
    /// the exponent of an integer model's.
    pub fn hot(&mut self, elements: usize, numbers: usize, one: Option<u32>) {
        let precision = one.map_or(PrecisionKind::F32, |_| PrecisionKind::I16);
        self.vector(LayerKind::Hot, precision, elements, numbers);
        self.put(&[one.unwrap_or(0)]);
    }

    /// Zeros up to a multiple of 4.
    fn pad(&mut self) {
        self.weights
            .resize(self.weights.len().next_multiple_of(4), 0);
    }

    fn put<T: IntoBytes + zerocopy::Immutable>(&mut self, values: &[T]) {
        self.weights.extend(values.as_bytes());
    }

    /// A float activation's numbers.
    fn stored_f32(&mut self, act: Activation) {
        let (kind, numbers) = act.code();
        if let Activation::LeakyRelu { slope } = act {
            self.put(&[slope]);
        } else if kind.curve().is_some() {
            self.put(&numbers);
        }
    }

    /// An integer activation's slope or table.
    fn stored(&mut self, stored: Stored<'_>) {
        match stored {
            Stored::Nothing => {}
            Stored::Slope(slope) => self.put(&[i32::from(slope)]),
            Stored::Table(table) => self.put(&[*table]),
        }
    }

    /// A float activation as a layer of its own.
    pub fn pointwise_f32(&mut self, act: Activation, width: usize) {
        let record = LayerRecord::pointwise(act.code().0, PrecisionKind::F32, width);
        self.layers.push(record.into());
        self.stored_f32(act);
    }

    /// An integer activation as a layer of its own.
    pub fn pointwise_i16(&mut self, act: Activation, stored: Stored<'_>, width: usize) {
        let record = LayerRecord::pointwise(act.code().0, PrecisionKind::I16, width);
        self.layers.push(record.into());
        self.stored(stored);
    }

    /// An F32 layer; `weight` row after row.
    pub fn dense_f32(&mut self, role: Role, act: Activation, weight: &[f32], bias: &[f32]) {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        self.dense(
            role,
            act,
            (PrecisionKind::F32, PackingKind::Panels),
            inputs,
            outputs,
        );
        self.put(bias);
        self.put(&panels(Order::Eights, weight, inputs, outputs));
        self.stored_f32(act);
    }

    /// A W8 layer.
    pub fn dense_w8(
        &mut self,
        role: Role,
        act: Activation,
        weight: &[i8],
        scale: &[f32],
        bias: &[f32],
    ) {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        self.dense(
            role,
            act,
            (PrecisionKind::W8, PackingKind::Panels),
            inputs,
            outputs,
        );
        self.put(bias);
        self.put(scale);
        self.put(&panels(Order::Eights, weight, inputs, outputs));
        self.pad();
        self.stored_f32(act);
    }

    /// An I8 layer in any packing.
    pub fn dense_i8(
        &mut self,
        role: Role,
        act: Activation,
        stored: Stored<'_>,
        weight: &[i8],
        rows: &[Row],
        pack: Packing,
    ) {
        let (outputs, inputs) = (rows.len(), weight.len() / rows.len());
        self.dense(role, act, (PrecisionKind::I8, pack), inputs, outputs);
        self.put(rows);
        self.put(&match pack {
            Packing::Panels => panels(Order::Fours, weight, inputs, outputs),
            Packing::Quad => quad(weight, inputs, outputs),
            Packing::Pairs => pairs(weight, inputs, outputs),
        });
        self.pad();
        self.stored(stored);
    }

    /// An I16 layer.
    pub fn dense_i16(
        &mut self,
        role: Role,
        act: Activation,
        stored: Stored<'_>,
        weight: &[i16],
        rows: &[WideRow],
    ) {
        let (outputs, inputs) = (rows.len(), weight.len() / rows.len());
        self.dense(
            role,
            act,
            (PrecisionKind::I16, PackingKind::Panels),
            inputs,
            outputs,
        );
        self.put(rows);
        self.put(&panels(Order::Pairs, weight, inputs, outputs));
        self.pad();
        self.stored(stored);
    }

    /// A float affine layer.
    pub fn affine_f32(&mut self, gain: &[f32], bias: &[f32]) {
        self.vector(
            LayerKind::Affine,
            PrecisionKind::F32,
            gain.len(),
            gain.len(),
        );
        for (g, b) in gain.iter().zip(bias) {
            self.put(&[*g, *b]);
        }
    }

    /// An integer affine layer.
    pub fn affine_i16(&mut self, units: &[AffineRow]) {
        self.vector(
            LayerKind::Affine,
            PrecisionKind::I16,
            units.len(),
            units.len(),
        );
        self.put(units);
    }

    /// A float PReLU.
    pub fn prelu_f32(&mut self, slope: &[f32]) {
        self.vector(
            LayerKind::PRelu,
            PrecisionKind::F32,
            slope.len(),
            slope.len(),
        );
        self.put(slope);
    }

    /// An integer PReLU, slopes in Q14.
    pub fn prelu_i16(&mut self, slope: &[i16]) {
        self.vector(
            LayerKind::PRelu,
            PrecisionKind::I16,
            slope.len(),
            slope.len(),
        );
        self.put(slope);
        self.pad();
    }

    fn norm(&mut self, by: Normalization, precision: PrecisionKind, width: usize) {
        let kind = match by {
            Normalization::Layer { groups: 1 } => LayerKind::LayerNorm,
            Normalization::Layer { groups } => {
                let record = LayerRecord::group_norm(groups, precision, width);
                return self.layers.push(record.into());
            }
            Normalization::Rms => LayerKind::RmsNorm,
            Normalization::Unit => LayerKind::UnitNorm,
        };
        self.vector(kind, precision, width, width);
    }

    /// An integer norm.
    pub fn norm_i16(&mut self, by: Normalization, energy: u64, units: &[AffineRow]) {
        self.norm(by, PrecisionKind::I16, units.len());
        self.put(&[NormEnergy::new(energy)]);
        self.put(units);
    }

    /// A float Dice.
    pub fn dice_f32(&mut self, units: &[Dice32]) {
        self.vector(
            LayerKind::Dice,
            PrecisionKind::F32,
            units.len(),
            units.len(),
        );
        self.put(units);
    }

    /// An integer Dice.
    pub fn dice_i16(&mut self, units: &[DiceRow]) {
        self.vector(
            LayerKind::Dice,
            PrecisionKind::I16,
            units.len(),
            units.len(),
        );
        self.put(units);
    }

    /// A float Dice over the row.
    pub fn row_dice_f32(&mut self, width: usize, stored: RowDice32) {
        self.vector(LayerKind::RowDice, PrecisionKind::F32, width, width);
        self.put(&[stored]);
    }

    /// An integer Dice over the row.
    pub fn row_dice_i16(&mut self, width: usize, stored: RowDiceQ) {
        self.vector(LayerKind::RowDice, PrecisionKind::I16, width, width);
        self.put(&[stored]);
    }

    /// A float norm.
    pub fn norm_f32(&mut self, by: Normalization, gain: &[f32], bias: &[f32], epsilon: f32) {
        self.norm(by, PrecisionKind::F32, gain.len());
        self.put(&[epsilon]);
        self.put(gain);
        self.put(bias);
    }

    /// A constant gate's weights.
    pub fn constant_f32(&mut self, inputs: usize, weights: &[f32]) {
        self.vector(
            LayerKind::Constant,
            PrecisionKind::F32,
            inputs,
            weights.len(),
        );
        self.put(weights);
    }

    /// A constant gate's weights in Q15.
    pub fn constant_q15(&mut self, inputs: usize, weights: &[u16]) {
        self.vector(
            LayerKind::Constant,
            PrecisionKind::I16,
            inputs,
            weights.len(),
        );
        self.put(weights);
        self.pad();
    }

    /// The input stage of an integer model.
    pub fn input_scales(&mut self, scales: &[InputScale]) {
        self.put(scales);
    }

    /// The unit of a linear output of an integer model.
    pub fn unit(&mut self, unit: f32) {
        self.put(&[unit]);
    }
}
