//! PyTorch modules from the names of their members: `Sequential`s, whose numbers tell where a layer
//! without tensors stands, and modules with names of their own, which tell the order alone.

use super::names::Names;
use crate::error::ModelError;
use crate::plan::{ActivationPlan, LayerPlan, Norm, NormKind, TensorRef};

/// How many names deep the layers of a module may stand.
const DEEPEST: usize = 8;
/// A trained slope starts at 0.25, a gain at 1: which one a vector is can be guessed from its mean.
const SLOPE_OR_GAIN: f32 = 0.6;

/// What is known of a framework's stacks of layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// What its norms add to the variance.
    pub(super) epsilon: f64,
    /// What a Dice adds to the variance.
    pub(super) dice: f64,
    /// Whether the last layer makes raw values; else it is like the hidden ones.
    pub(super) raw: bool,
    /// Whether the user chose the functions.
    pub(super) open: bool,
    /// Whether the user wrote the stack, so that even the norms may be anything.
    pub(super) own: bool,
}

impl Style {
    /// The stacks of a framework that takes the activation as an argument.
    pub(super) const fn framework(epsilon: f64) -> Self {
        Self {
            epsilon,
            dice: epsilon,
            raw: false,
            open: true,
            own: false,
        }
    }

    /// The stacks of a user.
    pub(super) const fn user() -> Self {
        Self {
            epsilon: 1e-5,
            dice: 1e-8,
            raw: false,
            open: true,
            own: true,
        }
    }

    /// The same, ending in raw values.
    pub(super) const fn ending_raw(self) -> Self {
        Self { raw: true, ..self }
    }
}

/// A layer in the making, with the numbers that its members have.
struct Slot {
    layer: LayerPlan,
    /// Of the matrix; `None`: the slot has none.
    at: usize,
    norm: Option<usize>,
    slope: Option<usize>,
    /// Where the next slot starts; `None` behind the last.
    next: Option<usize>,
}

/// What a member of a stack is.
enum Member {
    Matrix,
    Norm(Box<Norm>),
    /// A vector alone: a slope or a gain.
    Vector,
    Activation(ActivationPlan),
}

impl Names<'_> {
    fn member(&self, at: &str, style: Style) -> Result<Option<Member>, ModelError> {
        let weight = format!("{at}.weight");
        if self.shape(&weight).len() == 2 {
            return Ok(Some(Member::Matrix));
        }
        if let Some(dice) = self.dice(at, style.dice)? {
            return Ok(Some(Member::Activation(ActivationPlan::Dice(Box::new(
                dice,
            )))));
        }
        let Some(norm) = self.norm(at, style.epsilon)? else {
            return Ok(None);
        };
        // A lone weight without bias and statistics is a PReLU's slope, or a norm's gains.
        if norm.kind != NormKind::Layer || norm.beta.is_some() {
            return Ok(Some(Member::Norm(Box::new(norm))));
        }
        if self.shape(&weight) == [1] || !style.own {
            let slope = ActivationPlan::PRelu(TensorRef::name(weight));
            return Ok(Some(Member::Activation(slope)));
        }
        Ok(Some(Member::Vector))
    }

    /// A `Sequential` under `prefix`: the matrices among its numbered members, each with the norm
    /// and the trained slope that stand behind it. Numbers that are missing are members without
    /// tensors, so where none is missing there is no activation.
    pub(super) fn sequential(
        &self,
        prefix: &str,
        style: Style,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        let numbers = self.numbers(&format!("{prefix}."));
        let mut front: Vec<LayerPlan> = Vec::new();
        let mut slots: Vec<Slot> = Vec::new();
        for n in numbers {
            let at = format!("{prefix}.{n}");
            let Some(member) = self.member(&at, style)? else {
                let inner = self.module(&at, style)?;
                if let Some(slot) = slots.last_mut() {
                    slot.next = Some(n);
                }
                slots.extend(inner.into_iter().map(|layer| Slot::settled(layer, n)));
                continue;
            };
            let slot = match (member, slots.last_mut()) {
                (Member::Matrix, last) => {
                    if let Some(slot) = last {
                        slot.next = slot.next.or(Some(n));
                    }
                    let layer = self.linear(&at, ActivationPlan::Relu);
                    slots.push(Slot {
                        layer,
                        at: n,
                        norm: None,
                        slope: None,
                        next: None,
                    });
                    continue;
                }
                // A norm of the input itself.
                (Member::Norm(norm), None) if norm.is_batch() || style.own => {
                    front.push(LayerPlan {
                        before: Some(*norm),
                        ..LayerPlan::default()
                    });
                    continue;
                }
                (_, None) => return Err(self.unknown(&at)),
                (Member::Norm(norm), Some(slot)) => {
                    slot.norm(*norm, n).map_err(|()| self.unknown(&at))?;
                    slot
                }
                (Member::Activation(a), Some(slot)) if slot.slope.is_none() => {
                    slot.layer.activation = a;
                    slot.slope = Some(n);
                    slot
                }
                (Member::Vector, Some(slot)) => {
                    self.vector(slot, &at, n).map_err(|()| self.unknown(&at))?;
                    slot
                }
                (Member::Activation(_), Some(_)) => return Err(self.unknown(&at)),
            };
            if style.own && slot.norm == Some(n) {
                let norm = slot.layer.before.as_ref().or(slot.layer.after.as_ref());
                slot.layer.open.epsilon = true;
                slot.layer.open.norm |= norm.is_some_and(|n| n.kind == NormKind::Layer);
            }
        }
        if slots.is_empty() {
            return Err(self.empty(prefix));
        }
        let end = slots.len() - 1;
        for (i, slot) in slots.iter_mut().enumerate() {
            slot.settle(style, i == end);
        }
        front.extend(slots.into_iter().map(|s| s.layer));
        Ok(front)
    }

    /// A vector alone, taken for what its numbers look like.
    fn vector(&self, slot: &mut Slot, at: &str, n: usize) -> Result<(), ()> {
        let weight = format!("{at}.weight");
        let data = self
            .weights
            .tensors
            .get(&weight)
            .map_or(&[][..], |t| &t.data);
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no more")]
        let mean = data.iter().map(|v| v.abs()).sum::<f32>() / data.len().max(1) as f32;
        let vector = TensorRef::name(weight);
        if mean < SLOPE_OR_GAIN && slot.slope.is_none() {
            slot.layer.activation = ActivationPlan::PRelu(vector);
            slot.slope = Some(n);
        } else {
            slot.norm(Norm::lone(vector, NormKind::Layer), n)?;
        }
        slot.layer.open.norm = true;
        Ok(())
    }

    /// A module of the user's own: a `Linear`, a `Sequential`, or parts with names of their own in
    /// the order of the file, each of these again.
    pub(super) fn module(&self, prefix: &str, style: Style) -> Result<Vec<LayerPlan>, ModelError> {
        let mut layers = self.nested(prefix, style, 0)?;
        if let (Some(last), true) = (layers.last_mut(), style.raw) {
            last.activation = ActivationPlan::Linear;
            last.open.activation = false;
        }
        Ok(layers)
    }

    fn nested(
        &self,
        prefix: &str,
        style: Style,
        depth: usize,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        if depth == DEEPEST {
            return Err(self.wrong(
                &format!("the layers of `{prefix}` stand more than {DEEPEST} names deep"),
                "describe the model in a spec",
            ));
        }
        if self.shape(&format!("{prefix}.weight")).len() == 2 {
            return Ok(vec![self.own_layer(prefix, style)]);
        }
        let words = self.words(&format!("{prefix}."));
        if words.is_empty() {
            return Err(self.empty(prefix));
        }
        if words.iter().all(|w| w.parse::<usize>().is_ok()) {
            return self.sequential(
                prefix,
                Style {
                    raw: false,
                    ..style
                },
            );
        }
        let mut layers: Vec<LayerPlan> = Vec::new();
        // Which part made a layer, for norms that are numbered like it.
        let mut made: Vec<String> = Vec::new();
        let mut norms: Vec<(String, Member)> = Vec::new();
        for word in &words {
            let at = format!("{prefix}.{word}");
            match self.member(&at, style)? {
                Some(Member::Matrix) => layers.push(self.own_layer(&at, style)),
                None => layers.extend(self.nested(&at, style, depth + 1)?),
                Some(other) => norms.push((word.clone(), other)),
            }
            made.resize(layers.len(), word.clone());
            if let Some((word, norm)) = norms.pop_if(|_| layers.is_empty()) {
                // Before every matrix: of the input itself.
                let Member::Norm(norm) = norm else {
                    return Err(self.unknown(&format!("{prefix}.{word}")));
                };
                layers.push(LayerPlan {
                    before: Some(*norm),
                    ..LayerPlan::default()
                });
                made.push(word);
            }
        }
        for (word, norm) in norms {
            let at = format!("{prefix}.{word}");
            let number = |w: &str| {
                w.trim_start_matches(|c: char| !c.is_ascii_digit())
                    .to_owned()
            };
            let alike = made
                .iter()
                .position(|m| !number(m).is_empty() && number(m) == number(&word));
            let before = words.get_index_of(&word).and_then(|i| {
                made.iter()
                    .rposition(|m| words.get_index_of(m).is_some_and(|m| m < i))
            });
            let Some(layer) = alike.or(before).and_then(|i| layers.get_mut(i)) else {
                return Err(self.unknown(&at));
            };
            let mut slot = Slot::settled(std::mem::take(layer), 0);
            let done = match norm {
                Member::Norm(norm) => slot.norm(*norm, 1).map(|()| slot.layer.open.order = true),
                Member::Vector => self.vector(&mut slot, &at, 1),
                Member::Activation(a) => {
                    slot.layer.activation = a;
                    slot.layer.open.activation = false;
                    Ok(())
                }
                Member::Matrix => Ok(()),
            };
            done.map_err(|()| self.unknown(&at))?;
            slot.layer.open.epsilon |= slot.layer.before.is_some();
            *layer = slot.layer;
        }
        if layers.is_empty() {
            Err(self.empty(prefix))
        } else {
            Ok(layers)
        }
    }

    /// A matrix of a user's module: nothing tells what follows it.
    fn own_layer(&self, at: &str, style: Style) -> LayerPlan {
        let mut layer = self.linear(at, ActivationPlan::Relu);
        layer.open.activation = style.open;
        layer
    }
}

impl Slot {
    /// A layer about which the numbers say nothing more.
    fn settled(layer: LayerPlan, at: usize) -> Self {
        Self {
            layer,
            at,
            norm: None,
            slope: Some(at),
            next: Some(at),
        }
    }

    /// Puts a norm in the place that its number gives it; fails where one is there.
    fn norm(&mut self, norm: Norm, n: usize) -> Result<(), ()> {
        if self.norm.replace(n).is_some() {
            return Err(());
        }
        // A slope with a lower number has been applied by then.
        let behind = self.layer.activation.is_trained() && self.slope.is_some_and(|s| s < n);
        let place = if behind {
            &mut self.layer.after
        } else {
            &mut self.layer.before
        };
        *place = Some(norm);
        Ok(())
    }

    /// Draws what follows from the numbers that are missing.
    fn settle(&mut self, style: Style, last: bool) {
        let trained = self.layer.activation.is_trained();
        // Layers of a nested module have been settled there.
        if !trained && self.slope.is_some() {
            return;
        }
        if trained {
            return;
        }
        if last && style.raw {
            self.layer.activation = ActivationPlan::Linear;
            return;
        }
        let gap_before = self.norm.map_or(0, |n| n - self.at - 1);
        let gap_after = self
            .next
            .map(|next| next - self.norm.unwrap_or(self.at) - 1);
        match (self.norm, gap_before, gap_after) {
            (_, 0, Some(0)) => {
                self.layer.activation = ActivationPlan::Linear;
                return;
            }
            (Some(_), 1.., gap) => {
                self.layer.after = self.layer.before.take();
                self.layer.open.order = gap != Some(0);
            }
            _ => {}
        }
        self.layer.open.activation = style.open;
        // Two members without tensors: an activation and a dropout, or a norm that learned nothing.
        self.layer.open.norm |= style.own && self.norm.is_none() && gap_after > Some(1);
    }
}
