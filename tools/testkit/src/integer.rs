//! Integer blobs of a graph's wiring: rows and weights are random, of a size that neither saturates
//! everything nor leaves zeros.

use crate::Rng;
use crate::graphs::assembled;
use mmoe::kernel::{
    AffineRow, CURVE_KNOTS, CurveTable, DiceRow, NormEnergy, Row, RowDiceQ, WideRow,
};
use mmoe_tools::blob::encode::{Encoder, Packing, Role, Stored};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{Activation, Graph, Layer, Op, Output};
use mmoe_tools::pack;

/// Which layers are int16: the towers' last ones, all, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wide {
    /// The towers' last layers.
    Heads,
    /// All.
    All,
    /// None.
    Nothing,
}

/// What an activation stores: a slope, or this table.
fn stored(activation: Activation, table: Option<&CurveTable>) -> Stored<'_> {
    match (activation, table) {
        (Activation::LeakyRelu { .. }, _) => Stored::Slope(3000),
        (_, Some(table)) => Stored::Table(table),
        (_, None) => Stored::Nothing,
    }
}

/// Any table, for a curve.
fn table(rng: &mut Rng, activation: Activation) -> Option<CurveTable> {
    if !activation.is_curve() {
        return None;
    }
    let mut values = [0; CURVE_KNOTS];
    values[..CURVE_KNOTS - 1]
        .iter_mut()
        .for_each(|v| *v = (rng.real() * 32767.0) as i16);
    Some(CurveTable { values })
}

/// A blob of this wiring.
pub fn blob(graph: &Graph, wide: Wide, packing: Packing, rng: &mut Rng) -> BlobBytes {
    let mut to = Encoder::default();
    for _ in 0..graph.width(0) {
        for v in [0.1 * rng.real(), 8000.0 + 1000.0 * rng.real()] {
            to.weights.extend(v.to_le_bytes());
        }
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        let last = node.layers.len().saturating_sub(1);
        for (i, layer) in node.layers.iter().enumerate() {
            match layer {
                Layer::Dense(d) => {
                    let role = pack::role(node, i == last);
                    let cells = d.inputs * d.outputs;
                    let mut mult = |low: usize| (low + rng.below(low)) as u16;
                    if wide == Wide::All
                        || (wide == Wide::Heads && i == last && node.op == Op::Tower)
                    {
                        let shift = if role == Role::Logits { 27 } else { 30 };
                        let rows: Vec<_> = (0..d.outputs)
                            .map(|r| WideRow::new((r as i64 - 2) << 24, mult(16000), shift))
                            .collect();
                        let weight: Vec<i16> =
                            (0..cells).map(|_| (rng.real() * 32767.0) as i16).collect();
                        let table = table(rng, d.activation);
                        to.dense_i16(
                            role,
                            d.activation,
                            stored(d.activation, table.as_ref()),
                            &weight,
                            &rows,
                        );
                    } else {
                        let (low, shift) = if role == Role::Logits {
                            (1000, 0)
                        } else {
                            (16000, 5)
                        };
                        let rows: Vec<_> = (0..d.outputs)
                            .map(|r| Row {
                                bias: (r as i32 - 2) << 16,
                                mult: mult(low),
                                shift,
                                zero: 0,
                            })
                            .collect();
                        let weight: Vec<i8> =
                            (0..cells).map(|_| (rng.real() * 127.0) as i8).collect();
                        let table = table(rng, d.activation);
                        to.dense_i8(
                            role,
                            d.activation,
                            stored(d.activation, table.as_ref()),
                            &weight,
                            &rows,
                            packing,
                        );
                    }
                }
                Layer::Affine { gain, .. } => {
                    let unit = |r: &mut Rng| AffineRow {
                        bias: (r.real() * 1e7) as i32,
                        gain: (r.real() * 32767.0) as i16,
                        shift: 14,
                        zero: 0,
                    };
                    to.affine_i16(&gain.iter().map(|_| unit(rng)).collect::<Vec<_>>());
                }
                Layer::PRelu { slope } => to.prelu_i16(
                    &slope
                        .iter()
                        .map(|s| (s * 16384.0) as i16)
                        .collect::<Vec<_>>(),
                ),
                Layer::Constant { weights } => {
                    to.constant_q15(
                        node.inputs,
                        &weights
                            .iter()
                            .map(|w| (w.abs() * 16384.0) as u16)
                            .collect::<Vec<_>>(),
                    );
                }
                Layer::Norm { by, gain, .. } => {
                    let unit = |r: &mut Rng| AffineRow {
                        bias: (r.real() * 1e7) as i32,
                        gain: (r.real() * 32767.0) as i16,
                        shift: 10,
                        zero: 0,
                    };
                    let units: Vec<_> = gain.iter().map(|_| unit(rng)).collect();
                    to.norm_i16(*by, rng.bits() >> 20, &units);
                }
                Layer::Pointwise { activation, width } => {
                    let table = table(rng, *activation);
                    to.pointwise_i16(*activation, stored(*activation, table.as_ref()), *width);
                }
                Layer::Dice { gain, .. } => {
                    let unit = |r: &mut Rng| DiceRow {
                        bias: (r.real() * 1e7) as i32,
                        gain: (r.real() * 32767.0) as i16,
                        shift: 6,
                        zero: 0,
                        alpha: (r.real() * 16384.0) as i16,
                        zero2: 0,
                    };
                    let units: Vec<_> = gain.iter().map(|_| unit(rng)).collect();
                    to.dice_i16(&units);
                }
                Layer::RowDice { width, alpha, .. } => to.row_dice_i16(
                    *width,
                    RowDiceQ {
                        energy: NormEnergy::new(rng.bits() >> 20),
                        alpha: (alpha * 16384.0) as i32,
                    },
                ),
            }
        }
        if graph
            .tasks
            .iter()
            .any(|t| t.output == Output::Linear { value: at + 1 })
        {
            to.unit(0.75);
        }
    }
    let header = pack::header(graph, to.layers);
    assembled(&header, &to.weights)
}
