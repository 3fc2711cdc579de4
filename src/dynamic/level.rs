//! A prediction of the shape-erased model: the walk over the levels of its blob.

use super::element::{Erased, Read, constant, copy, layer};
use super::scratch::{At, Buffers, Layout, Work, gate_weights as stored_weights};
use super::{RunError, required_towers};
use crate::blob::{
    Blob, LayerKind, LayerRecord, LevelNodes, NodeOp, NodeRecord, OutputKind, TaskRecord,
};
use crate::kernel::HotInput;
use crate::level::{self, ExpertFilter, Inputs, Level, Request, TaskMask, has_no_zeros, walk};
use crate::math::{Libm, Math};
use crate::rows::{self, Rows};
use core::array;
use heapless::Vec;
use zerocopy::{FromBytes, IntoBytes};

/// The values that the requested towers need, directly or through other nodes: one bit each.
#[derive(Debug)]
struct Needed([u32; 8]);

impl Needed {
    fn new(blob: &Blob<'_>, towers: TaskMask) -> Self {
        let mut needed = Self([0; 8]);
        for (k, t) in blob.tasks.iter().enumerate() {
            if let Some(node) = t.tower()
                && towers.contains(k)
            {
                needed.set(node + 1);
            }
        }
        // From the last node to the first, since a node reads only values of earlier nodes: when a
        // node is visited, everything that needs it has been visited before.
        for (at, n) in blob.nodes.iter().enumerate().rev() {
            if needed.has(at + 1) {
                needed.set(n.src as usize);
                n.seen_values().for_each(|v| needed.set(v));
            }
        }
        needed
    }
    fn set(&mut self, v: usize) {
        if let Some(w) = self.0.get_mut(v / 32) {
            *w |= 1 << (v & 31);
        }
    }
    fn has(&self, v: usize) -> bool {
        self.0.get(v / 32).is_some_and(|w| w >> (v & 31) & 1 != 0)
    }
}

/// Fills the table with the place of every node's layers and weights. Finding them is a walk over
/// all records, so it is done once for each prediction and not for each node.
fn locate(blob: &Blob<'_>, table: &mut [At]) {
    let mut gate_weights = 0usize;
    for (at, node) in table.iter_mut().zip(blob.nodes_with_layers()) {
        *at = At {
            weights: node.weights as u32,
            layer: node.first_layer as u16,
            gate_weights: gate_weights as u16,
        };
        gate_weights += node.record.seen();
    }
}

/// The values that nodes read: the input, and the streams of the level before.
struct Values<'v, A> {
    input: &'v [A],
    streams: &'v [A],
    /// The first stream's value.
    base: usize,
    width: usize,
}

/// The walk asks for streams by number. Here the number is that of a value, since every node record
/// names the value that it reads.
impl<A: Erased> Inputs<[A]> for Values<'_, A> {
    fn stream(&self, v: usize) -> Option<&[A]> {
        if v == 0 {
            return Some(self.input);
        }
        let start = v.checked_sub(self.base)?.checked_mul(self.width)?;
        self.streams.get(start..)?.get(..self.width)
    }
    fn value(base: u8, _: usize) -> u8 {
        base
    }
}

/// One level of a blob.
struct ErasedLevel<'a, 't> {
    blob: &'a Blob<'a>,
    table: &'t [At],
    level: LevelNodes,
}

/// A level of a blob with the type of its activations, which the walk needs to know.
struct Typed<'a, 't, A>(ErasedLevel<'a, 't>, core::marker::PhantomData<A>);

impl ErasedLevel<'_, '_> {
    fn node(&self, at: usize) -> Option<(&NodeRecord, At)> {
        Some((self.blob.nodes.get(at)?, *self.table.get(at)?))
    }
    /// Returns what node `n` reads.
    fn input<'x, A, S: Inputs<[A]> + ?Sized>(n: &NodeRecord, x: &'x S) -> Option<&'x [A]> {
        x.stream(n.src as usize)?
            .get(n.start.get() as usize..)?
            .get(..n.inputs.get() as usize)
    }
    /// Runs the layers of a node up to the last one, on each of at most `R` rows, and passes that one to
    /// `last` with its weights and its inputs. The last layer differs by role: it writes activations
    /// in an expert and logits in a gate or a tower.
    fn layers<'b, A: Erased, M: Math, const R: usize>(
        &self,
        n: &NodeRecord,
        at: At,
        x: &[&[A]],
        a: &mut [&'b mut [A]],
        b: &mut [&'b mut [A]],
        last: impl FnOnce(Option<&LayerRecord>, &[u8], &[Read<'_, A>]) -> Option<()>,
    ) -> Option<()> {
        let mut weights = self.blob.weights.get(at.weights as usize..)?;
        let layers = self
            .blob
            .layers
            .get(at.layer as usize..)?
            .get(..n.layers as usize)?;
        let (x, layers) = match layers {
            [hot, fed, ..] if hot.kind() == Some(LayerKind::Hot) => {
                let (columns, dense) = (fed.inputs.get(), hot.outputs.get());
                let (one, rest) = u32::ref_from_prefix(weights).ok()?;
                weights = rest;
                (
                    rows::collect::<_, R>(x.iter().filter_map(|x| {
                        HotInput::new(columns.into(), dense.into(), *one, x).map(Read::Hot)
                    })),
                    layers.get(1..)?,
                )
            }
            layers => (
                rows::collect::<_, R>(x.iter().map(|x| Read::All(x))),
                layers,
            ),
        };
        let Some((end, before)) = layers.split_last() else {
            return last(None, weights, &x);
        };
        // What a layer behind the first reads.
        fn made<'s, A, const R: usize>(
            src: &'s [&mut [A]],
            l: &LayerRecord,
            rows: usize,
        ) -> Vec<Read<'s, A>, R> {
            let width = l.inputs.get() as usize;
            let rows = src.iter().take(rows);
            rows::collect(rows.filter_map(|s| s.get(..width).map(Read::All)))
        }
        // Each layer reads the buffer that the layer before wrote, and writes the other one. Two
        // buffers are enough for any number of layers.
        let (mut src, mut dst) = (a, b);
        let mut first = true;
        for l in before {
            let width = l.outputs.get() as usize;
            let y = dst.iter_mut().take(x.len());
            let mut y = rows::collect::<_, R>(y.filter_map(|y| y.get_mut(..width)));
            if first {
                layer::<A, M>(l, weights, &x, &mut y)?;
            } else {
                layer::<A, M>(l, weights, &made::<A, R>(src, l, x.len()), &mut y)?;
            }
            weights = weights.get(l.weight_bytes()?..)?;
            drop(y);
            core::mem::swap(&mut src, &mut dst);
            first = false;
        }
        if first {
            last(Some(end), weights, &x)
        } else {
            last(Some(end), weights, &made::<A, R>(src, end, x.len()))
        }
    }
    fn run_gate<A: Erased, M: Math, S: Inputs<[A]> + ?Sized>(
        &self,
        o: usize,
        x: &S,
        rows: &mut [A::Gate],
        w: &mut Work<'_, A>,
    ) -> Option<()> {
        let (n, at) = self.node(self.level.gates + o)?;
        let g = rows
            .get_mut(at.gate_weights as usize..)?
            .get_mut(..n.seen())?;
        let Work { a, b, z, .. } = w;
        let op = n.op()?;
        if op == NodeOp::Constant {
            let x = &[Self::input(n, x)?];
            return self
                .layers::<A, M, 1>(n, at, x, &mut [a], &mut [b], |_, w, _| constant::<A>(w, g));
        }
        let mut logits = 0;
        let x = &[Self::input(n, x)?];
        self.layers::<A, M, 1>(n, at, x, &mut [a], &mut [b], |l, w, x| {
            let l = l?;
            logits = l.outputs.get() as usize;
            A::logits(l, w, *x.first()?, z.get_mut(..logits)?)
        })?;
        let z = z.get_mut(..logits)?;
        let k = n.k as usize;
        match op {
            NodeOp::Softmax => A::gate_softmax::<M>(z, g),
            NodeOp::Sigmoid => A::gate_sigmoid::<M>(z, g),
            NodeOp::Linear => A::gate_linear(z, g),
            NodeOp::Hard => A::gate_hard(z, g),
            NodeOp::TopK => A::gate_top_k::<M>(k, true, z, g),
            NodeOp::TopKRaw => A::gate_top_k::<M>(k, false, z, g),
            NodeOp::DSelectK => A::gate_d_select_k::<M>(k, z, g),
            NodeOp::Constant | NodeOp::Expert | NodeOp::Tower => return None,
        }
        Some(())
    }
    /// Runs an expert on each of at most `R` rows.
    fn run_expert<A: Erased, M: Math, S: Inputs<[A]> + ?Sized, const R: usize>(
        &self,
        at: usize,
        x: &[&S],
        works: &mut [Work<'_, A>],
    ) -> Option<()> {
        let (n, place) = self.node(at)?;
        let width = n.outputs.get() as usize;
        let x = rows::collect::<_, R>(x.iter().filter_map(|x| Self::input(n, *x)));
        let (mut h, mut a, mut b) = (Vec::<_, R>::new(), Vec::<_, R>::new(), Vec::<_, R>::new());
        for work in works.iter_mut().take(x.len()) {
            // There is room for `R`.
            let _ = h.push(work.h.get_mut(..width)?);
            let _ = a.push(&mut *work.a);
            let _ = b.push(&mut *work.b);
        }
        self.layers::<A, M, R>(n, place, &x, &mut a, &mut b, |l, w, x| match l {
            Some(l) => layer::<A, M>(l, w, x, &mut h),
            None => x.iter().zip(&mut h).try_for_each(|(x, h)| {
                copy(x.all()?, h);
                Some(())
            }),
        })
    }
}

impl<'a, A: Erased> Level for Typed<'a, '_, A> {
    type Act = A;
    type In = [A];
    type GateWeights = [A::Gate];
    type Stream = Work<'a, A>;
    type Mixtures = [A::MixtureSum];
    type Count = ();
    const LAYER_SCRATCH: usize = 0;
    fn experts(&self) -> usize {
        self.0.level.gates - self.0.level.experts
    }
    fn gates(&self) -> usize {
        self.0.level.end - self.0.level.gates
    }
    fn gate<M: Math, S: Inputs<[A]> + ?Sized, const R: usize>(
        &self,
        o: usize,
        x: &[&S],
        rows: &mut [&mut [A::Gate]],
        work: &mut [Work<'a, A>; R],
    ) {
        for ((x, rows), work) in x.iter().zip(rows).zip(work) {
            // `None` cannot happen: loading checked every index.
            let _ = self.0.run_gate::<A, M, S>(o, x, rows, work);
        }
    }
    fn always(&self, o: usize, i: usize) -> bool {
        let gate = self.0.blob.nodes.get(self.0.level.gates + o);
        gate.is_some_and(|n| {
            n.op().is_some_and(has_no_zeros) && n.weight_of(self.0.level.experts + 1 + i).is_some()
        })
    }
    fn weight(&self, rows: &[A::Gate], o: usize, i: usize) -> A::Gate {
        let find = || {
            let (n, at) = self.0.node(self.0.level.gates + o)?;
            // Weights are stored only for the experts that the gate sees.
            let place = n.weight_of(self.0.level.experts + 1 + i)?;
            rows.get(at.gate_weights as usize + place).copied()
        };
        find().unwrap_or(A::NONE)
    }
    fn expert<M: Math, S: Inputs<[A]> + ?Sized, const R: usize>(
        &self,
        i: usize,
        x: &[&S],
        h: &mut [Work<'a, A>; R],
    ) {
        let _ = self
            .0
            .run_expert::<A, M, S, R>(self.0.level.experts + i, x, h);
    }
    fn output<'h>(&self, i: usize, h: &'h Work<'a, A>) -> &'h [A] {
        let n = self
            .0
            .blob
            .value_width(self.0.level.experts + i + 1)
            .unwrap_or(0);
        h.h.get(..n).unwrap_or(&[])
    }
    fn mixture<'m>(&self, m: &'m mut [A::MixtureSum], o: usize) -> &'m mut [A::MixtureSum] {
        let n = self
            .0
            .blob
            .value_width(self.0.level.gates + o + 1)
            .unwrap_or(0);
        m.get_mut(o * n..)
            .and_then(|m| m.get_mut(..n))
            .unwrap_or(&mut [])
    }
}

/// Runs the model on a block of at most `R` rows, and writes a word to `raw` of each row for each
/// output of each task that is asked for. Each row has a scratch of its own. Returns the number of
/// experts that ran, added up over the rows.
pub(super) fn run<A: Erased, M: Math, F: ExpertFilter, const R: usize>(
    blob: &Blob<'_>,
    layout: &Layout,
    x: &[&[A]],
    request: Request<F>,
    scratch: &mut [&mut [u32]],
    raw: &mut [&mut [u32]],
) -> Option<u32> {
    let needed = Needed::new(blob, required_towers(blob, request.tasks));
    let mut table: &mut [At] = &mut [];
    let (mut before, mut after) = (Vec::<_, R>::new(), Vec::<_, R>::new());
    let mut weights: [&mut [A::Gate]; R] = array::from_fn(|_| -> &mut [A::Gate] { &mut [] });
    let mut sums: [&mut [A::MixtureSum]; R] =
        array::from_fn(|_| -> &mut [A::MixtureSum] { &mut [] });
    let mut works: [Work<'_, A>; R] = array::from_fn(|_| Work::none());
    let rest = weights.iter_mut().zip(&mut sums).zip(&mut works);
    for (scratch, ((weights, sums), work)) in scratch.iter_mut().zip(rest).take(x.len()) {
        let buffers = Buffers::<A>::cut(layout, scratch)?;
        // The scratch holds whatever the caller or an earlier prediction left there. Gates that are
        // not needed are not computed, and their weights must read as zero afterwards.
        buffers.gate_weights.fill(A::NONE);
        (table, *weights, *sums, *work) = (
            buffers.table,
            buffers.gate_weights,
            buffers.sums,
            buffers.work,
        );
        // There is room for `R`.
        let _ = before.push(buffers.before);
        let _ = after.push(buffers.after);
    }
    locate(blob, table);
    let mut run = 0u32;
    let (mut base, mut wide) = (1, 0);
    let mut at = 0;
    while let Some(level) = LevelNodes::at(blob.nodes, at) {
        let (from, to) = level.outputs();
        let w = blob.value_width(from)?;
        let values = values::<A, R>(x, &before, base, wide);
        let typed = Typed::<A>(
            ErasedLevel { blob, table, level },
            core::marker::PhantomData,
        );
        if level.gates == level.end {
            // No gates: the experts are the streams.
            let values = rows::collect::<_, R>(values.iter());
            for v in from..to {
                if needed.has(v) {
                    typed
                        .0
                        .run_expert::<A, M, _, R>(v - 1, &values, &mut works)?;
                    for (work, after) in works.iter().zip(&mut after) {
                        copy(
                            work.h.get(..w)?,
                            after.get_mut((v - from) * w..)?.get_mut(..w)?,
                        );
                    }
                    run += values.len() as u32;
                }
            }
        } else {
            let mut gates = TaskMask::NONE;
            for v in from..to {
                if needed.has(v) {
                    gates |= TaskMask::only(v - from);
                }
            }
            // The walk adds to the mixtures, so they start at zero at each level.
            for sums in &mut sums {
                sums.as_mut_bytes().fill(0);
            }
            let buffers = level::Buffers {
                weights: weights.each_mut().map(|w| &mut **w),
                stream: &mut works,
                mixtures: sums.each_mut().map(|m| &mut **m),
            };
            let rows = Rows::of(&values)?;
            run += walk::<M, F, _, _, R>(&typed, rows, request.of(gates), buffers);
            let streams = (to - from) * w;
            for (sums, after) in sums.iter().zip(&mut after) {
                A::round_mixture(sums.get(..streams)?, after.get_mut(..streams)?);
            }
        }
        drop(values);
        core::mem::swap(&mut before, &mut after);
        (base, wide, at) = (from, w, level.end);
    }
    let level = ErasedLevel {
        blob,
        table,
        level: LevelNodes {
            experts: at,
            gates: at,
            end: at,
        },
    };
    let values = values::<A, R>(x, &before, base, wide);
    for ((values, work), raw) in values.iter().zip(&mut works).zip(raw) {
        towers::<A, M>(&level, values, work, raw, request.tasks)?;
    }
    Some(run)
}

/// What the nodes of a level can read, row by row.
fn values<'v, A, const R: usize>(
    x: &[&'v [A]],
    before: &'v [&mut [A]],
    base: usize,
    width: usize,
) -> Vec<Values<'v, A>, R> {
    rows::collect(x.iter().zip(before).map(|(input, streams)| Values {
        input,
        streams,
        base,
        width,
    }))
}

fn towers<A: Erased, M: Math>(
    level: &ErasedLevel<'_, '_>,
    values: &Values<'_, A>,
    work: &mut Work<'_, A>,
    raw: &mut [u32],
    tasks: TaskMask,
) -> Option<()> {
    let blob = level.blob;
    let towers = required_towers(blob, tasks);
    // A product may need factors that were not asked for. Those must not be written to `raw`, which
    // the caller may still be using, so every probability is kept here as well, by task.
    let mut factors = [0u32; crate::blob::MAX_TASKS];
    let mut rest = raw;
    for (k, t) in blob.tasks.iter().enumerate() {
        let (out, after) =
            core::mem::take(&mut rest).split_at_mut_checked(t.width.get() as usize)?;
        rest = after;
        if let Some((a, b)) = t.factors() {
            if tasks.contains(k) {
                let p = A::product(A::prob(*factors.get(a)?), A::prob(*factors.get(b)?));
                *out.first_mut()? = A::prob_word(p);
            }
            continue;
        }
        if !towers.contains(k) {
            continue;
        }
        let (n, at) = level.node(t.tower()?)?;
        let x = ErasedLevel::input(n, values)?;
        let Work { h, a, b, z, p } = work;
        let z = z.get_mut(..out.len())?;
        let h = h.get_mut(..out.len())?;
        let mut activations = false;
        level.layers::<A, M, 1>(n, at, &[x], &mut [a], &mut [b], |l, w, x| match l {
            Some(l) if l.kind() == Some(LayerKind::Logits) => A::logits(l, w, *x.first()?, z),
            Some(l) => {
                activations = true;
                layer::<A, M>(l, w, x, &mut [&mut *h])
            }
            None => {
                activations = true;
                copy(x.first()?.all()?, h);
                Some(())
            }
        })?;
        if activations {
            if tasks.contains(k) {
                for (out, h) in out.iter_mut().zip(h) {
                    *out = A::word(*h);
                }
            }
            continue;
        }
        match t.output()? {
            OutputKind::Sigmoid => {
                let word = A::prob_word(A::sigmoid::<M>(*z.first()?));
                *factors.get_mut(k)? = word;
                if tasks.contains(k) {
                    *out.first_mut()? = word;
                }
            }
            OutputKind::Softmax => {
                let p = p.get_mut(..out.len())?;
                A::softmax::<M>(z, p);
                for (out, p) in out.iter_mut().zip(p) {
                    *out = A::prob_word(*p);
                }
            }
            OutputKind::Product => return None,
            OutputKind::Linear => {
                for (out, z) in out.iter_mut().zip(z) {
                    *out = A::logit_word(*z);
                }
            }
        }
    }
    Some(())
}

/// Converts the raw words of one task of an integer model to the bits of f32, in place.
pub(super) fn show(blob: &Blob<'_>, t: &TaskRecord, words: &mut [u32]) {
    let tower = t.tower().and_then(|n| blob.nodes_with_layers().nth(n));
    let unit = || -> Option<f32> {
        let bytes = blob.weights.get(tower.as_ref()?.unit?..)?;
        Some(*f32::ref_from_prefix(bytes).ok()?.0)
    };
    let activations = tower.as_ref().is_some_and(|n| !n.ends_in_logits());
    let linear = t.output() == Some(OutputKind::Linear);
    let unit = if linear { unit().unwrap_or(0.0) } else { 1.0 };
    for w in words {
        let shown = if linear && activations {
            f32::from(*w as i32 as i16) * unit
        } else if linear {
            crate::Q16(*w as i32).to_f32() * unit
        } else {
            crate::Q31(*w).to_f32()
        };
        *w = shown.to_bits();
    }
}

/// See [`super::Dynamic::gate_weights`].
pub(super) fn gate_weights(
    blob: &Blob<'_>,
    layout: &Layout,
    scratch: &[u32],
    gate: usize,
    out: &mut [f32],
) -> usize {
    fn read<A: Erased>(
        layout: &Layout,
        scratch: &[u32],
        row: usize,
        out: &mut [f32],
    ) -> Option<()> {
        let weights = stored_weights::<A>(layout, scratch)?;
        for (out, g) in out.iter_mut().zip(weights.get(row..)?) {
            *out = (*g).into();
        }
        Some(())
    }
    let mut find = || -> Option<usize> {
        let mut gates = blob.nodes.iter().filter(|n| n.is_gate());
        let row = gates.by_ref().take(gate).map(NodeRecord::seen).sum();
        let seen = gates.next()?.seen();
        let out = out.get_mut(..seen)?;
        if blob.is_integer() {
            read::<i16>(layout, scratch, row, out)?;
        } else {
            read::<f32>(layout, scratch, row, out)?;
        }
        Some(seen)
    };
    find().unwrap_or(0)
}

/// See [`super::Dynamic::expert`].
pub(super) fn expert<A: Erased>(
    blob: &Blob<'_>,
    layout: &Layout,
    node: usize,
    x: &[A],
    scratch: &mut [u32],
    y: &mut [A],
) -> Result<usize, RunError> {
    let n = blob.nodes.get(node).ok_or(RunError::Node)?;
    if !n.is_expert() || n.src != 0 {
        return Err(RunError::Node);
    }
    let found = y.len() as u32;
    let wide = n.outputs.get() as usize;
    let y = y.get_mut(..wide).ok_or(RunError::Outputs {
        expected: wide as u32,
        found,
    })?;
    let mut run = || -> Option<()> {
        let Buffers {
            table, mut work, ..
        } = Buffers::<A>::cut(layout, scratch)?;
        locate(blob, table);
        let level = ErasedLevel {
            blob,
            table,
            level: LevelNodes {
                experts: 0,
                gates: 0,
                end: 0,
            },
        };
        let values = Values {
            input: x,
            streams: &[],
            base: 1,
            width: 0,
        };
        level.run_expert::<A, Libm, _, 1>(node, &[&values], array::from_mut(&mut work))?;
        copy(work.h, y);
        Some(())
    };
    // The caller checked the scratch, and loading every index.
    run().ok_or(RunError::Node)?;
    Ok(wide)
}
