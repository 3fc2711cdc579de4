//! The rules of the format: what must hold for the records of a blob.
//!
//! A typed model compares records with its type and needs no rules. A reader without a type relies on
//! the records, so everything that it relies on is checked here, once. After that no index is out of
//! range and no sum overflows, whatever bytes the file had.

use super::{
    Blob, FeatureRecord, LayerKind, LoadError, MAX_SEEN, MAX_TASKS, NodeOp, NodeRecord, OutputKind,
};

/// What the records of a valid blob add up to: the numbers from which a reader sizes its buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Summary {
    /// How many elements the trunk's input has: the features of a model without a front end.
    pub inputs: usize,
    /// How many fields a record has; 0 where the model has no front end.
    pub fields: usize,
    /// How many numbers all tasks have together.
    pub outputs: usize,
    /// Whether activations are int16.
    pub integer: bool,
    /// How many weights all gates have together.
    pub gate_weights: usize,
    /// The most elements that the values have which one level hands on.
    pub streams: usize,
    /// The widest value: read, made, or between two layers of a node.
    pub widest: usize,
}

/// How many logits a gate that mixes `seen` experts needs; `None` if `k` does not fit.
fn logits(op: NodeOp, k: usize, seen: usize) -> Option<usize> {
    match op {
        NodeOp::Softmax | NodeOp::Sigmoid | NodeOp::Hard | NodeOp::Constant | NodeOp::Linear => {
            (k == 0).then_some(seen)
        }
        NodeOp::TopK | NodeOp::TopKRaw => (k >= 1 && k <= seen).then_some(seen),
        NodeOp::DSelectK => {
            if k == 0 || seen < 2 {
                return None;
            }
            k.checked_mul((usize::BITS - (seen - 1).leading_zeros()) as usize + 1)
        }
        NodeOp::Expert | NodeOp::Tower => None,
    }
}

/// Whether a layer of this kind may be the last one (or not) of a node that does this.
fn fits(kind: Option<LayerKind>, op: NodeOp, last: bool, only: bool) -> bool {
    // Gates end in logits (or in stored weights), experts in activations, and towers in either.
    let ends = last && op != NodeOp::Expert;
    match kind {
        Some(LayerKind::Logits) => ends && op != NodeOp::Constant,
        Some(LayerKind::Constant) => only && op == NodeOp::Constant,
        // What is unknown breaks the next rule, wherever it stands.
        Some(
            LayerKind::Dense
            | LayerKind::Affine
            | LayerKind::PRelu
            | LayerKind::LayerNorm
            | LayerKind::Pointwise
            | LayerKind::RmsNorm
            | LayerKind::UnitNorm
            | LayerKind::GroupNorm
            | LayerKind::Dice
            | LayerKind::RowDice,
        )
        | None => !ends || op == NodeOp::Tower,
        // Its own rule says where it stands.
        Some(LayerKind::Hot) => true,
    }
}

/// One level of the wiring: the nodes `experts .. gates` are its experts, `gates .. end` its gates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelNodes {
    /// Where its experts start.
    pub(crate) experts: usize,
    /// Where its gates start.
    pub(crate) gates: usize,
    /// Where it ends.
    pub(crate) end: usize,
}

impl LevelNodes {
    /// The level that starts at node `at`, unless the towers do.
    pub(crate) fn at(nodes: &[NodeRecord], at: usize) -> Option<Self> {
        let run = |from: usize, of: fn(&NodeRecord) -> bool| {
            from + nodes
                .get(from..)
                .map_or(0, |n| n.iter().take_while(|n| of(n)).count())
        };
        let gates = run(at, NodeRecord::is_expert);
        let end = run(gates, NodeRecord::is_gate);
        (end > at).then_some(Self {
            experts: at,
            gates,
            end,
        })
    }

    /// The first value that later nodes may read, and one past the last.
    pub(crate) const fn outputs(&self) -> (usize, usize) {
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
fn check(blob: &Blob<'_>) -> Result<Summary, LoadError> {
    let nodes = blob.nodes;
    let inputs = match blob.inputs {
        [_] if (1..=0xffff).contains(&blob.input_count()) => blob.input_count() as usize,
        _ => return Err(record(0, 1)),
    };
    if nodes.is_empty() || nodes.len() > 254 {
        return Err(record(nodes.len(), 2));
    }
    // Before the nodes, which look at every task: there may be 65,535.
    if blob.tasks.len() > MAX_TASKS {
        return Err(record(blob.tasks.len(), 14));
    }
    let integer = blob.is_integer();
    let fields = features(blob, inputs, integer)?;
    let mut sum = Summary {
        inputs,
        fields,
        outputs: 0,
        integer,
        gate_weights: 0,
        streams: 0,
        widest: 0,
    };
    let mut bytes = blob.input_bytes();
    let mut layers = blob.layers;
    // Values that the nodes of the current level may read, beside the input.
    let mut readable = (0, 0);
    let mut level = LevelNodes::at(nodes, 0);
    for (at, n) in nodes.iter().enumerate() {
        if let Some(l) = level
            && at == l.end
        {
            readable = l.outputs();
            level = LevelNodes::at(nodes, at);
        }
        // A request names the gates of a level by a mask.
        if let Some(l) = level
            && l.end - l.gates > MAX_TASKS
        {
            return Err(record(at, 21));
        }
        let Some(op) = n.op() else {
            return Err(record(at, 3));
        };
        // Towers come last, levels have experts and then gates: then the level at hand holds this
        // node, or there is none and it is a tower.
        if level.is_some_and(|l| at >= l.end) || (level.is_none() && op != NodeOp::Tower) {
            return Err(record(at, 4));
        }
        let src = n.src as usize;
        if !(src == 0 || (readable.0..readable.1).contains(&src)) {
            return Err(record(at, 5));
        }
        let (start, reads) = (n.start.get() as usize, n.inputs.get() as usize);
        if reads == 0 || start + reads > blob.value_width(src).unwrap_or(0) {
            return Err(record(at, 6));
        }
        let mut have = reads;
        let mut hot = false;
        for index in 0..n.layers {
            let Some((l, rest)) = layers.split_first() else {
                return Err(record(at, 7));
            };
            layers = rest;
            let fits = fits(l.kind(), op, index + 1 == n.layers, n.layers == 1);
            // What is unknown breaks the next rule.
            let element = l.precision().is_none_or(|p| p.is_integer() == integer);
            let takes = l.inputs.get() as usize;
            // A layer behind codes has columns for them, beside those of the numbers.
            let before = core::mem::replace(&mut hot, l.kind() == Some(LayerKind::Hot));
            if (before && (!l.is_matrix() || takes <= have))
                || (hot && (index > 0 || n.layers == 1))
            {
                return Err(record(at, 17));
            }
            if !fits || !element || (!before && takes != have) {
                return Err(record(at, 8));
            }
            let Some(more) = l.weight_bytes().and_then(|b| bytes.checked_add(b)) else {
                return Err(record(at, 9));
            };
            bytes = more;
            have = l.outputs.get() as usize;
            sum.widest = sum.widest.max(have);
        }
        if integer && blob.is_shown_in_unit(at) {
            bytes = bytes.checked_add(4).ok_or(record(at, 9))?;
        }
        let makes = n.outputs.get() as usize;
        if op.is_gate() {
            let seen = n.seen();
            // All seen experts belong to this level and have the width of the mixture.
            let l = level.ok_or(record(at, 4))?;
            let inside = n
                .seen_values()
                .all(|v| v > l.experts && v <= l.gates && blob.value_width(v) == Some(makes));
            if seen == 0 || seen > MAX_SEEN || !inside {
                return Err(record(at, 10));
            }
            if n.layers == 0 || logits(op, n.k as usize, seen) != Some(have) {
                return Err(record(at, 11));
            }
            sum.gate_weights = sum.gate_weights.checked_add(seen).ok_or(record(at, 10))?;
        } else if n.first != 0 || n.form != 0 || n.sees.get() != 0 || n.k != 0 || makes != have {
            return Err(record(at, 12));
        }
        sum.widest = sum.widest.max(makes).max(reads);
        if let Some(l) = level {
            let (from, to) = l.outputs();
            let value = at + 1;
            if value >= from && value < to {
                // Streams of one level have one width: they lie side by side.
                if blob.value_width(from) != Some(makes) {
                    return Err(record(at, 13));
                }
                sum.streams = sum.streams.max((to - from).saturating_mul(makes));
            }
        }
    }
    if !layers.is_empty() {
        return Err(record(nodes.len(), 7));
    }
    sum.outputs = outputs(blob)?;
    if bytes != blob.weights.len() {
        return Err(LoadError::Weights {
            expected: bytes as u32,
            found: blob.weights.len() as u32,
        });
    }
    Ok(sum)
}

/// The rules of the front end: 16 the section, 18 each record, 19 what it reads of others, 20 all
/// together. Returns how many fields a record has.
fn features(blob: &Blob<'_>, inputs: usize, integer: bool) -> Result<usize, LoadError> {
    if !blob.takes_record() {
        return Ok(0);
    }
    let all = blob.features();
    if !(1..=255).contains(&all.len()) {
        return Err(record(all.len(), 16));
    }
    let (mut fields, mut elements, mut bytes) = (0, 0usize, 0usize);
    let mut candidates = false;
    for (at, f) in all.iter().enumerate() {
        let size = f.bytes(at, integer).and_then(|b| b.total());
        let Some(more) = size.and_then(|b| bytes.checked_add(b)) else {
            return Err(record(at, 18));
        };
        bytes = more;
        let (field, table) = (usize::from(f.field), usize::from(f.table));
        let earlier = all.get(..at).unwrap_or(&[]);
        // A field that is read again is the same field.
        let known = earlier.iter().find(|e| e.field == f.field);
        let fits = match known {
            Some(e) => e.reads_alike(f),
            None => field == fields,
        };
        let owner = earlier.get(table);
        let shares = !f.shares(at) || owner.is_some_and(|owner| f.may_share(owner, table));
        if !fits || !shares {
            return Err(record(at, 19));
        }
        fields = fields.max(field + 1);
        elements = elements.saturating_add(usize::from(f.width.get()));
        let candidate = f.has(FeatureRecord::CANDIDATE);
        if candidates && !candidate {
            return Err(record(at, 20));
        }
        candidates |= candidate;
    }
    if elements != inputs {
        return Err(record(all.len(), 20));
    }
    Ok(fields)
}

/// Every tower has exactly one task, in order; products come after their factors and last. Returns
/// how many numbers there are in all.
fn outputs(blob: &Blob<'_>) -> Result<usize, LoadError> {
    let mut nodes = blob.nodes.iter();
    let first_tower = nodes.position(NodeRecord::is_tower);
    let first_tower = first_tower.unwrap_or(blob.nodes.len());
    let towers = blob.nodes.len() - first_tower;
    if towers == 0 || blob.tasks.len() < towers {
        return Err(record(blob.tasks.len(), 14));
    }
    let mut outputs = 0;
    let mut nodes_with_layers = blob.nodes_with_layers().skip(first_tower);
    for (k, t) in blob.tasks.iter().enumerate() {
        let wide = t.width.get() as usize;
        let probability = |j: u8| {
            blob.tasks
                .get(..towers)
                .and_then(|t| t.get(j as usize))
                .is_some_and(|t| t.output() == Some(OutputKind::Sigmoid))
        };
        let node = first_tower + k;
        let logits = nodes_with_layers.next().is_some_and(|n| n.ends_in_logits());
        let of_tower = || {
            k < towers
                && t.b == 0
                && t.tower() == Some(node)
                && blob.value_width(node + 1) == Some(wide)
        };
        let fits = t.reserved == 0
            && t.reserved2.get() == 0
            && match t.output() {
                Some(OutputKind::Linear) => of_tower(),
                Some(OutputKind::Sigmoid) => of_tower() && wide == 1 && logits,
                Some(OutputKind::Softmax) => of_tower() && logits,
                Some(OutputKind::Product) => {
                    k >= towers && wide == 1 && probability(t.a) && probability(t.b)
                }
                None => false,
            };
        if !fits {
            return Err(record(k, 15));
        }
        outputs += wide;
    }
    Ok(outputs)
}

impl Blob<'_> {
    /// Checks every record against the rules of the format (`docs/format.md`), as a reader must
    /// that has no type to compare with, and that the weights are as long as the layers need.
    ///
    /// # Errors
    ///
    /// [`LoadError::Record`] with the number of the rule, [`LoadError::Weights`].
    pub fn validate(&self) -> Result<Summary, LoadError> {
        check(self)
    }
}
