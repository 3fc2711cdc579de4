//! The rules that records must keep when no type vouches for them. Everything the walk assumes is
//! checked here, once.

use super::{has_unit, is_gate, width};
use crate::blob::{
    Blob, LayerRecord, MAX_TASKS, NodeRecord, activation, kind, op, output, packing, precision,
};
use crate::error::LoadError;

/// What a prediction needs to know beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) integer: bool,
    /// Words for quantized features.
    pub(super) input_words: usize,
    /// Words of everything.
    pub(super) scratch_words: usize,
    /// Gate weights of all gates.
    pub(super) rows: usize,
    /// The most elements that the streams of one level have.
    pub(super) streams: usize,
    /// The widest value inside a step, or mixed.
    pub(super) wide: usize,
}

/// Bytes before the first layer: the input stage's scales.
pub(super) const fn input_bytes(integer: bool, inputs: usize) -> usize {
    if integer { inputs.saturating_mul(8) } else { 0 }
}

/// Bytes of one layer's weights, a multiple of 4; `None` for a record that the format does not
/// allow.
pub(super) fn layer_bytes(l: &LayerRecord) -> Option<usize> {
    let (i, o) = (l.inputs.get() as usize, l.outputs.get() as usize);
    match l.packing {
        _ if i == 0 || o == 0 => return None,
        packing::PANELS => {}
        packing::QUAD | packing::PAIRS if l.precision == precision::I8 => {}
        _ => return None,
    }
    let padded = |n: usize| n.checked_add(3).map(|n| n & !3);
    let float = l.precision == precision::F32;
    let integer = l.precision == precision::I16;
    match l.kind {
        kind::DENSE | kind::LOGITS => {
            let cells = i.checked_mul(o)?;
            let matrix = match l.precision {
                precision::F32 => cells.checked_add(o)?.checked_mul(4)?,
                precision::W8 | precision::I8 => padded(cells)?.checked_add(o.checked_mul(8)?)?,
                precision::I16 => padded(cells.checked_mul(2)?)?.checked_add(o.checked_mul(12)?)?,
                _ => return None,
            };
            match l.activation {
                activation::LINEAR => Some(matrix),
                _ if l.kind == kind::LOGITS => None,
                activation::RELU | activation::SIGMOID | activation::TANH => Some(matrix),
                activation::LEAKY_RELU => matrix.checked_add(4),
                _ => None,
            }
        }
        _ if l.activation != activation::LINEAR || (!float && !integer) => None,
        kind::AFFINE if i == o => o.checked_mul(8),
        kind::PRELU if i == o => padded(o.checked_mul(if float { 4 } else { 2 })?),
        kind::LAYER_NORM if i == o && float => o.checked_mul(8)?.checked_add(4),
        kind::CONSTANT => padded(o.checked_mul(if float { 4 } else { 2 })?),
        _ => None,
    }
}

/// How many logits a gate that mixes `seen` experts needs; `None` if `k` does not fit.
fn logits(op: u8, k: usize, seen: usize) -> Option<usize> {
    match op {
        op::SOFTMAX | op::SIGMOID | op::HARD | op::CONSTANT if k == 0 => Some(seen),
        op::TOP_K | op::TOP_K_RAW if k >= 1 && k <= seen => Some(seen),
        op::D_SELECT_K if k >= 1 && seen >= 2 => {
            k.checked_mul((usize::BITS - (seen - 1).leading_zeros()) as usize + 1)
        }
        _ => None,
    }
}

/// One level of the wiring, as steps `experts.0 .. experts.1` and `gates.0 .. gates.1`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    /// Where its experts start.
    pub(super) experts: usize,
    /// Where its gates start.
    pub(super) gates: usize,
    /// Where it ends.
    pub(super) end: usize,
}

impl Levels {
    /// The level that starts at step `at`, unless the towers do.
    pub(super) fn at(nodes: &[NodeRecord], at: usize) -> Option<Self> {
        let run = |from: usize, of: fn(&NodeRecord) -> bool| {
            from + nodes
                .get(from..)
                .map_or(0, |n| n.iter().take_while(|n| of(n)).count())
        };
        let gates = run(at, |n| n.op == op::EXPERT);
        let end = run(gates, is_gate);
        (end > at).then_some(Self {
            experts: at,
            gates,
            end,
        })
    }

    /// The first value that later steps may read, and one past the last.
    pub(super) const fn outputs(&self) -> (usize, usize) {
        let from = if self.gates == self.end {
            self.experts
        } else {
            self.gates
        };
        (from + 1, self.end + 1)
    }
}

const fn record(at: usize, rule: u32) -> LoadError {
    LoadError::Record {
        at: at as u32,
        rule,
    }
}

/// Checks every record; `rule` numbers are those of `docs/format.md`.
#[inline(never)]
pub(super) fn verify(blob: &Blob<'_>) -> Result<Plan, LoadError> {
    let nodes = blob.nodes;
    let inputs = match blob.inputs {
        [_] if (1..=0xffff).contains(&blob.input_count()) => blob.input_count() as usize,
        _ => return Err(record(0, 1)),
    };
    if nodes.is_empty() || nodes.len() > 254 {
        return Err(record(nodes.len(), 2));
    }
    // Before the steps, which look at every task: there may be 65,535.
    if blob.tasks.len() > MAX_TASKS {
        return Err(record(blob.tasks.len(), 14));
    }
    let integer = blob
        .layers
        .iter()
        .any(|l| l.precision == precision::I8 || l.precision == precision::I16);
    let mut plan = Plan {
        inputs,
        outputs: 0,
        integer,
        input_words: 0,
        scratch_words: 0,
        rows: 0,
        streams: 0,
        wide: 0,
    };
    let mut bytes = input_bytes(integer, inputs);
    let mut layers = blob.layers;
    let mut rows = 0usize;
    // Values that the steps of the current level may read, beside the input.
    let mut readable = (0, 0);
    let mut level = Levels::at(nodes, 0);
    for (at, n) in nodes.iter().enumerate() {
        if let Some(l) = level
            && at == l.end
        {
            readable = l.outputs();
            level = Levels::at(nodes, at);
        }
        if n.op != op::EXPERT && n.op != op::TOWER && !is_gate(n) {
            return Err(record(at, 3));
        }
        // Towers come last, levels have experts and then gates: then the level at hand holds this
        // step, or there is none and it is a tower.
        if level.is_some_and(|l| at >= l.end) || (level.is_none() && n.op != op::TOWER) {
            return Err(record(at, 4));
        }
        let src = n.src as usize;
        if n.reserved != 0 || !(src == 0 || (readable.0..readable.1).contains(&src)) {
            return Err(record(at, 5));
        }
        let (start, reads) = (n.start.get() as usize, n.inputs.get() as usize);
        if reads == 0 || start + reads > width(blob, src).unwrap_or(0) {
            return Err(record(at, 6));
        }
        let mut have = reads;
        for index in 0..n.layers {
            let Some((l, rest)) = layers.split_first() else {
                return Err(record(at, 7));
            };
            layers = rest;
            let last = index + 1 == n.layers;
            let constant = n.op == op::CONSTANT;
            let fits = match l.kind {
                kind::LOGITS => last && n.op != op::EXPERT && !constant,
                kind::CONSTANT => n.layers == 1 && constant,
                _ => !(last && n.op != op::EXPERT),
            };
            let element = if integer {
                l.precision >= precision::I8
            } else {
                l.precision <= precision::W8
            };
            if !fits || !element || l.inputs.get() as usize != have {
                return Err(record(at, 8));
            }
            let Some(more) = layer_bytes(l).and_then(|b| bytes.checked_add(b)) else {
                return Err(record(at, 9));
            };
            bytes = more;
            have = l.outputs.get() as usize;
            plan.wide = plan.wide.max(have);
        }
        if has_unit(integer, blob, at) {
            bytes = bytes.checked_add(4).ok_or(record(at, 9))?;
        }
        let makes = n.outputs.get() as usize;
        if is_gate(n) {
            let seen = n.sees.get().count_ones() as usize;
            // All seen experts belong to this level and have the width of the mixture.
            let (first, l) = (n.first as usize, level.ok_or(record(at, 4))?);
            let inside = (0..32usize)
                .filter(|b| n.sees.get() >> b & 1 != 0)
                .all(|b| {
                    let v = first + b;
                    v > l.experts && v <= l.gates && width(blob, v) == Some(makes)
                });
            if seen == 0 || !inside {
                return Err(record(at, 10));
            }
            if n.layers == 0 || logits(n.op, n.k as usize, seen) != Some(have) {
                return Err(record(at, 11));
            }
            rows = rows.checked_add(seen).ok_or(record(at, 10))?;
        } else if n.first != 0 || n.sees.get() != 0 || n.k != 0 || makes != have {
            return Err(record(at, 12));
        }
        plan.wide = plan.wide.max(makes).max(reads);
        if let Some(l) = level {
            let (from, to) = l.outputs();
            let value = at + 1;
            if value >= from && value < to {
                // Streams of one level have one width: they lie side by side.
                if width(blob, from) != Some(makes) {
                    return Err(record(at, 13));
                }
                plan.streams = plan.streams.max((to - from).saturating_mul(makes));
            }
        }
    }
    if !layers.is_empty() {
        return Err(record(nodes.len(), 7));
    }
    tasks(blob, &mut plan)?;
    if bytes != blob.weights.len() {
        return Err(LoadError::Weights {
            expected: bytes as u32,
            found: blob.weights.len() as u32,
        });
    }
    let address = blob.weights.as_ptr() as usize;
    if address & 3 != 0 {
        return Err(LoadError::Alignment {
            offset: (address & 63) as u32,
        });
    }
    plan.rows = rows;
    plan.input_words = if integer { inputs.div_ceil(2) } else { 0 };
    plan.scratch_words = plan.input_words + super::level::scratch_words(&plan, nodes.len());
    Ok(plan)
}

/// Every tower has exactly one task, in order; products come after their factors and last.
fn tasks(blob: &Blob<'_>, plan: &mut Plan) -> Result<(), LoadError> {
    let first_tower = blob
        .nodes
        .iter()
        .position(|n| n.op == op::TOWER)
        .unwrap_or(blob.nodes.len());
    let towers = blob.nodes.len() - first_tower;
    if towers == 0 || blob.tasks.len() < towers {
        return Err(record(blob.tasks.len(), 14));
    }
    for (k, t) in blob.tasks.iter().enumerate() {
        let wide = t.width.get() as usize;
        let probability = |j: u8| {
            blob.tasks
                .get(..towers)
                .and_then(|t| t.get(j as usize))
                .is_some_and(|t| t.output == output::SIGMOID)
        };
        let fits = t.reserved == 0
            && t.reserved2.get() == 0
            && if t.output == output::PRODUCT {
                k >= towers && wide == 1 && probability(t.a) && probability(t.b)
            } else {
                let node = first_tower + k;
                let empty = blob.nodes.get(node).is_some_and(|n| n.layers == 0);
                k < towers
                    && t.b == 0
                    && t.a as usize == node + 1
                    && width(blob, node + 1) == Some(wide)
                    && match t.output {
                        output::LINEAR => true,
                        output::SIGMOID => wide == 1 && !empty,
                        output::SOFTMAX => !empty,
                        _ => false,
                    }
            };
        if !fits {
            return Err(record(k, 15));
        }
        plan.outputs += wide;
    }
    Ok(())
}

/// Multiply-accumulates of dense layers and of mixing.
pub(super) fn macs(blob: &Blob<'_>) -> u64 {
    let dense: u64 = blob
        .layers
        .iter()
        .filter(|l| l.kind <= kind::LOGITS)
        .map(|l| u64::from(l.inputs.get()) * u64::from(l.outputs.get()))
        .sum();
    let mixing: u64 = blob
        .nodes
        .iter()
        .filter(|n| is_gate(n))
        .map(|n| u64::from(n.sees.get().count_ones()) * u64::from(n.outputs.get()))
        .sum();
    dense + mixing
}
