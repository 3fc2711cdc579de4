//! From vectors to a plan: which layers make an expert, a gate, a tower, and on which level.
//!
//! Some vectors are read by several others: the features, mixtures, and what a layer makes that
//! several layers read. Between these *cuts* run chains of layers. A chain that ends in a mixture
//! is an expert or a gate, one that ends in a cut is a level of its own, one that ends in an output
//! is a tower.

use indexmap::IndexMap;

use super::Refusal;
use super::vectors::{Dense, Step, Vector, Vectors};
use crate::import::Tensor;
use crate::plan::{ActivationPlan, GateKindPlan, GatePlan, LayerPlan, Level, Reads, Slice, Unit};

/// A plan under construction.
pub(super) struct Wiring<'v, 'p> {
    vectors: &'v Vectors<'p>,
    /// By vector: how many steps read it.
    readers: Vec<usize>,
    /// Named weights of all layers.
    pub(super) tensors: IndexMap<String, Tensor>,
    /// By level from 1: the vectors that it hands on.
    streams: Vec<Vec<usize>>,
    /// By level from 1: how wide what it hands on is, the narrower padded with zeros.
    widths: Vec<usize>,
    features: usize,
}

impl<'v, 'p> Wiring<'v, 'p> {
    pub(super) fn new(vectors: &'v Vectors<'p>, features: usize) -> Self {
        let mut readers = vec![0; vectors.all.len()];
        for vector in &vectors.all {
            match vector {
                Vector::Made(_, from) => readers[*from] += 1,
                // What is added to what a layer makes of it.
                Vector::Sum(parts) => parts.iter().for_each(|p| readers[*p] += 1),
                Vector::Features(_) | Vector::Mixture { .. } => {}
            }
        }
        Self {
            vectors,
            readers,
            tensors: IndexMap::new(),
            streams: Vec::new(),
            widths: Vec::new(),
            features,
        }
    }

    pub(super) fn refuse(&self, vector: usize, why: impl Into<String>) -> Refusal {
        self.vectors.refuse(self.vectors.ids[vector][0], why)
    }

    /// Whether a vector is one that chains end in.
    fn is_cut(&self, vector: usize) -> bool {
        match &self.vectors.all[vector] {
            Vector::Features(_) | Vector::Mixture { .. } | Vector::Sum(_) => true,
            Vector::Made(..) => {
                // What is shared without a matrix, such as a norm of the features, goes into each
                // that reads it.
                let (_, steps) = self.chain_from(vector, true);
                self.readers[vector] > 1 && steps.iter().any(|s| matches!(s, Step::Dense(_)))
            }
        }
    }

    /// The cut before a vector, and the steps from it. With `past` the vector itself is passed if
    /// it is a cut.
    fn chain_from(&self, vector: usize, past: bool) -> (usize, Vec<&Step>) {
        let (mut at, mut steps) = (vector, Vec::new());
        while let Vector::Made(step, from) = &self.vectors.all[at] {
            let inner = at == vector && past;
            if !inner && self.readers[at] > 1 && self.is_cut(at) {
                break;
            }
            steps.push(&**step);
            at = *from;
        }
        steps.reverse();
        (at, steps)
    }

    /// The vectors that a cut is made of, each with its chain: itself, or a mixture's logits and
    /// experts.
    fn parts(&self, cut: usize) -> Vec<usize> {
        match &self.vectors.all[cut] {
            Vector::Features(_) => Vec::new(),
            Vector::Made(..) => vec![cut],
            Vector::Sum(parts) => parts.clone(),
            Vector::Mixture {
                logits, experts, ..
            } => std::iter::once(*logits)
                .chain(experts.iter().copied())
                .collect(),
        }
    }

    /// The cut that a part of `cut` reads.
    fn source(&self, part: usize, cut: usize) -> usize {
        self.chain_from(part, part == cut).0
    }

    /// 0 for the features, and one more for each level above.
    fn level(&self, cut: usize, known: &mut IndexMap<usize, usize>) -> usize {
        if let Some(level) = known.get(&cut) {
            return *level;
        }
        let below = self
            .parts(cut)
            .into_iter()
            .map(|p| 1 + self.level(self.source(p, cut), known));
        let level = below.collect::<Vec<_>>().into_iter().max().unwrap_or(0);
        known.insert(cut, level);
        level
    }

    /// The levels below these towers, and the towers.
    pub(super) fn plan(
        &mut self,
        towers: &[(String, usize)],
    ) -> Result<(Vec<Level>, Vec<Unit>), Refusal> {
        let mut levels = IndexMap::new();
        let sources: Vec<usize> = towers
            .iter()
            .map(|(_, v)| self.chain_from(*v, false).0)
            .collect();
        let top = sources
            .iter()
            .map(|s| self.level(*s, &mut levels))
            .max()
            .unwrap_or(0);
        // What each level hands on: from the towers down, what the level above reads.
        self.streams = vec![Vec::new(); top + 1];
        let need = |streams: &mut Vec<Vec<usize>>, level: usize, cut: usize| {
            if !streams[level].contains(&cut) {
                streams[level].push(cut);
            }
        };
        for source in &sources {
            if levels[source] > 0 {
                need(&mut self.streams, top, *source);
            }
        }
        for level in (2..=top).rev() {
            for cut in self.streams[level].clone() {
                if self.level(cut, &mut levels) < level {
                    need(&mut self.streams, level - 1, cut);
                    continue;
                }
                for part in self.parts(cut) {
                    let source = self.source(part, cut);
                    if self.level(source, &mut levels) > 0 {
                        need(&mut self.streams, level - 1, source);
                    }
                }
            }
        }
        let width = |cut: &usize| self.vectors.ids[*cut].len();
        let widest = |cuts: &Vec<usize>| cuts.iter().map(width).max().unwrap_or(0);
        self.widths = self.streams.iter().map(widest).collect();
        let mut made = Vec::new();
        for level in 1..=top {
            made.push(self.make_level(level, &mut levels)?);
        }
        let mut units = Vec::new();
        for (name, vector) in towers {
            let mut unit = self.unit(&format!("tower of `{name}`"), *vector, false, top, 0)?;
            if unit.layers.is_empty() {
                self.end_dense(&mut unit, *vector)?;
            }
            units.push(unit);
        }
        Ok((made, units))
    }

    fn make_level(
        &mut self,
        level: usize,
        levels: &mut IndexMap<usize, usize>,
    ) -> Result<Level, Refusal> {
        let mut made = Level::default();
        let (below, wide) = (level - 1, self.widths[level]);
        // Experts by vector; one that a gate weighs twice stands there twice.
        let mut experts: Vec<(usize, usize)> = Vec::new();
        let cuts = self.streams[level].clone();
        let is_mixture = |w: &Self, cut: usize| {
            matches!(w.vectors.all[cut], Vector::Mixture { .. } | Vector::Sum(_))
        };
        let gated = cuts
            .iter()
            .any(|c| is_mixture(self, *c) && levels.get(c) == Some(&level));
        for cut in cuts {
            let own = self.level(cut, levels) == level;
            let mixture = match self.vectors.all[cut].clone() {
                Vector::Mixture {
                    kind,
                    logits,
                    experts,
                } => Some((kind, Some(logits), experts)),
                Vector::Sum(parts) => {
                    let kind = GateKindPlan::Constant(vec![1.0; parts.len()]);
                    Some((kind, None, parts))
                }
                Vector::Features(_) | Vector::Made(..) => None,
            };
            let Some((kind, logits, mixed)) = mixture.filter(|_| own) else {
                let expert = made.experts.len();
                made.experts.push(self.direct(cut, own, expert, below)?);
                experts.push((cut, usize::MAX));
                if gated {
                    made.gates
                        .push(self.hand_on(&made.experts[expert], expert, made.gates.len()));
                }
                continue;
            };
            let mut sees = Vec::with_capacity(mixed.len());
            for (at, vector) in mixed.iter().enumerate() {
                let earlier = mixed[..at].iter().filter(|v| *v == vector).count();
                let found = experts.iter().position(|e| *e == (*vector, earlier));
                sees.push(match found {
                    Some(found) => found,
                    None => {
                        let name = format!("expert {}", experts.len());
                        made.experts
                            .push(self.unit(&name, *vector, false, below, wide)?);
                        experts.push((*vector, earlier));
                        experts.len() - 1
                    }
                });
            }
            let name = format!("gate {}", made.gates.len());
            let unit = match (logits, sees.first()) {
                (None, Some(first)) => Unit {
                    name,
                    layers: Vec::new(),
                    ..made.experts[*first].clone()
                },
                (logits, _) => {
                    let logits = logits.unwrap_or(cut);
                    let mut unit = self.unit(&name, logits, false, below, 0)?;
                    self.end_dense(&mut unit, logits)?;
                    unit
                }
            };
            made.gates.push(GatePlan {
                unit,
                kind,
                sees,
                temperature: 1.0,
                priors: Vec::new(),
                open: false,
            });
        }
        Ok(made)
    }

    /// A value that is handed on by itself: made here, or by a level below.
    fn direct(&mut self, cut: usize, own: bool, at: usize, below: usize) -> Result<Unit, Refusal> {
        let name = format!("expert {at}");
        if own {
            return self.unit(&name, cut, true, below, self.widths[below + 1]);
        }
        let at = self.streams[below]
            .iter()
            .position(|c| *c == cut)
            .unwrap_or(0);
        let mut steps = Vec::new();
        let (from, to) = (self.widths[below], self.widths[below + 1]);
        if from != to {
            steps.push(self.hand_over(&name, from, to, cut)?);
        }
        Ok(Unit {
            layers: self.layers(&steps, cut)?,
            name,
            reads: Reads::Stream(at),
            slice: None,
        })
    }

    /// A layer that hands on the first values, and zeros behind them where it is wider.
    fn hand_over(
        &self,
        name: &str,
        inputs: usize,
        outputs: usize,
        vector: usize,
    ) -> Result<Step, Refusal> {
        /// A matrix of more cells is no layer of a model for small devices.
        const MOST: usize = 1 << 24;
        let cells = inputs.checked_mul(outputs).filter(|c| *c <= MOST);
        let cells = cells.ok_or_else(|| self.refuse(vector, "is too wide to be handed on"))?;
        let cell = |at: usize| f64::from(u8::from(at / inputs == at % inputs));
        Ok(Step::Dense(Dense {
            name: format!("{name} padding"),
            inputs,
            weight: (0..cells).map(cell).collect(),
            bias: vec![0.0; outputs],
        }))
    }

    /// Gates and towers end in a dense layer: where what they hand on was added up before, in one
    /// that changes nothing.
    fn end_dense(&mut self, unit: &mut Unit, vector: usize) -> Result<(), Refusal> {
        let plain = |l: &LayerPlan| {
            l.weight.is_some() && l.activation == ActivationPlan::Linear && l.after.is_none()
        };
        if !unit.layers.last().is_some_and(plain) {
            let width = self.vectors.ids[vector].len();
            let step = self.hand_over(&unit.name, width, width, vector)?;
            unit.layers.extend(self.layers(&[step], vector)?);
        }
        Ok(())
    }

    /// A gate of weight 1.
    fn hand_on(&self, expert: &Unit, at: usize, gate: usize) -> GatePlan {
        GatePlan {
            unit: Unit {
                name: format!("gate {gate}"),
                reads: expert.reads,
                slice: expert.slice,
                layers: Vec::new(),
            },
            kind: GateKindPlan::Constant(vec![1.0]),
            sees: vec![at],
            temperature: 1.0,
            priors: Vec::new(),
            open: false,
        }
    }

    /// The layers that end in a vector, and what they read, on the level above `below`. What is
    /// narrower than `wide` is padded.
    fn unit(
        &mut self,
        name: &str,
        vector: usize,
        past: bool,
        below: usize,
        wide: usize,
    ) -> Result<Unit, Refusal> {
        let (cut, steps) = self.chain_from(vector, past);
        let mut steps: Vec<Step> = steps.into_iter().cloned().collect();
        let (reads, slice) = match &self.vectors.all[cut] {
            Vector::Features(list) => (Reads::Input, self.features(list, &mut steps, vector)?),
            _ => {
                let at = self.streams[below]
                    .iter()
                    .position(|c| *c == cut)
                    .ok_or_else(|| self.refuse(vector, "reads what a level further below makes"))?;
                let (narrow, from) = (self.vectors.ids[cut].len(), self.widths[below]);
                match steps.first_mut() {
                    _ if narrow == from => {}
                    Some(Step::Dense(dense)) => dense.widen(from),
                    _ => steps.insert(0, self.hand_over(name, from, narrow, vector)?),
                }
                (Reads::Stream(at), None)
            }
        };
        let narrow = self.vectors.ids[vector].len();
        if narrow < wide {
            steps.push(self.hand_over(name, narrow, wide, vector)?);
        }
        let layers = self.layers(&steps, vector)?;
        Ok(Unit {
            name: name.into(),
            reads,
            slice,
            layers,
        })
    }

    /// Brings features that are read in another order into the input's, by the columns of the first
    /// matrix.
    fn features(
        &self,
        list: &[usize],
        steps: &mut [Step],
        vector: usize,
    ) -> Result<Option<Slice>, Refusal> {
        let (first, last) = (
            *list.iter().min().unwrap_or(&0),
            *list.iter().max().unwrap_or(&0),
        );
        let count = last - first + 1;
        if !list.iter().copied().eq(first..first + count) {
            let direct = matches!(steps.first(), Some(Step::Dense(_)));
            let mut place = vec![None; count];
            for (at, feature) in list.iter().enumerate() {
                place[feature - first] = Some(at);
            }
            let whole = place.iter().all(Option::is_some) && count == list.len();
            if !direct && !whole {
                return Err(self.refuse(
                    vector,
                    "is made of features that do not stand side by side: give it all of them, or \
                     a run of them",
                ));
            }
            let moved = |v: &[f64]| -> Vec<f64> {
                place.iter().map(|p| p.map_or(0.0, |at| v[at])).collect()
            };
            for step in steps {
                match step {
                    Step::Dense(dense) => {
                        dense.weight = dense
                            .weight
                            .chunks_exact(list.len())
                            .flat_map(moved)
                            .collect();
                        dense.inputs = count;
                        break;
                    }
                    Step::Scale(gain, offset) => {
                        *gain = moved(gain);
                        *offset = moved(offset);
                    }
                    Step::PRelu(slopes) => *slopes = moved(slopes),
                    Step::Norm { .. } | Step::Activation(_) => {}
                }
            }
        }
        Ok((count < self.features).then_some(Slice {
            start: first,
            count,
        }))
    }
}
