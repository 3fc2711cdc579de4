//! Putting answers into a plan: where its layers are, and what a choice makes of one.

use super::open::{At, Choice, NormChoice, Part};
use super::{ActivationPlan, LayerPlan, Norm, NormKind, Plan, TensorRef};

impl LayerPlan {
    /// Whether a trained vector stands in its norm or its slope.
    pub(super) fn has_vector(&self) -> bool {
        let norm = self.before.as_ref().or(self.after.as_ref());
        self.activation.is_trained() || norm.is_some_and(|n| n.gamma.is_some())
    }

    /// What its vector without statistics is taken for; `None` for a batch norm.
    #[must_use]
    pub fn norm_choice(&self) -> Option<NormChoice> {
        if let ActivationPlan::PRelu(_) = self.activation {
            return Some(NormChoice::PRelu);
        }
        let Some(norm) = self.before.as_ref().or(self.after.as_ref()) else {
            return Some(NormChoice::Nothing);
        };
        match norm.kind {
            NormKind::Layer => Some(NormChoice::Layer),
            NormKind::Rms => Some(NormChoice::Rms),
            NormKind::Group(n) => Some(NormChoice::Group(n)),
            NormKind::Scale => Some(NormChoice::Scale),
            NormKind::Batch(..) | NormKind::L2 => None,
        }
    }

    /// Settles one doubt.
    pub fn choose(&mut self, choice: &Choice) {
        match choice {
            Choice::Activation(a) => {
                self.activation = a.clone();
                self.open.activation = false;
            }
            Choice::AfterActivation(after) => {
                let norm = self.before.take().or_else(|| self.after.take());
                if *after {
                    self.after = norm;
                } else {
                    self.before = norm;
                }
                self.open.order = false;
            }
            Choice::Norm(kind) => {
                self.become_norm(*kind);
                self.open.norm = false;
            }
            Choice::Epsilon(e) => {
                for norm in [&mut self.before, &mut self.after].into_iter().flatten() {
                    norm.epsilon = *e;
                }
                self.open.epsilon = false;
            }
            Choice::Layout(layout) => {
                self.layout = *layout;
                self.open.layout = false;
            }
            Choice::Residual(on) => {
                self.residual = *on;
                if !on {
                    self.spans = 0;
                }
                self.open.residual = false;
            }
            Choice::Gate(..) | Choice::Output(_) | Choice::Before(_) | Choice::Front(_) => {}
        }
    }

    /// Takes its vector for something else. Where it was a slope, the layer's activation becomes
    /// an open question; where it becomes one, that is answered.
    fn become_norm(&mut self, kind: NormChoice) {
        let kind = match kind {
            NormChoice::PRelu => {
                let norm = self.before.take().or_else(|| self.after.take());
                if let Some(slope) = norm.and_then(|n| n.gamma) {
                    self.activation = ActivationPlan::PRelu(slope);
                    self.open.activation = false;
                    self.open.order = false;
                    self.open.epsilon = false;
                }
                return;
            }
            NormChoice::Nothing => {
                self.before = None;
                self.after = None;
                self.open.epsilon = false;
                return;
            }
            NormChoice::Layer => NormKind::Layer,
            NormChoice::Rms => NormKind::Rms,
            NormChoice::Group(n) => NormKind::Group(n),
            NormChoice::Scale => NormKind::Scale,
        };
        if self.before.is_none() && self.after.is_none() && !self.activation.is_trained() {
            self.before = Some(Norm {
                gamma: None,
                beta: None,
                epsilon: kind.usual_epsilon(),
                kind,
            });
            self.open.epsilon = true;
            return;
        }
        if let ActivationPlan::PRelu(slope) = &self.activation {
            self.before = Some(Norm::lone(slope.clone(), kind));
            self.activation = ActivationPlan::Relu;
            self.open.activation = true;
            self.open.order = true;
            self.open.epsilon = true;
        } else if let Some(norm) = self.before.as_mut().or(self.after.as_mut()) {
            if self.open.epsilon {
                norm.epsilon = kind.usual_epsilon();
            }
            norm.kind = kind;
        }
        // A bare factor has no variance to add to.
        let norm = self.before.as_ref().or(self.after.as_ref());
        if norm.is_some_and(|n| n.kind == NormKind::Scale) {
            self.open.epsilon = false;
        }
    }
}

impl Norm {
    /// A norm that has gains alone.
    #[must_use]
    pub fn lone(gamma: TensorRef, kind: NormKind) -> Self {
        Self {
            gamma: Some(gamma),
            beta: None,
            epsilon: kind.usual_epsilon(),
            kind,
        }
    }
}

impl NormKind {
    /// What PyTorch adds to the variance where nobody names a number.
    fn usual_epsilon(&self) -> f64 {
        match self {
            Self::Rms => f64::from(f32::EPSILON),
            _ => 1e-5,
        }
    }
}

impl Plan {
    /// Every layer with its place, its part, and whether it is the last of its unit.
    pub fn places(&self) -> impl Iterator<Item = (At, Part, bool, &LayerPlan)> {
        let levels = self.levels.iter().enumerate().flat_map(|(l, level)| {
            // What all experts and gates read is not made like them.
            let stem = l + 1 < self.levels.len() && level.gates.is_empty();
            let part = if stem { Part::Stem } else { Part::Experts };
            let experts = level.experts.iter().enumerate().flat_map(move |(e, unit)| {
                let end = unit.layers.len();
                let layers = unit.layers.iter().enumerate();
                layers.map(move |(i, layer)| (At::Expert(l, e, i), part, i + 1 == end, layer))
            });
            let gates = level.gates.iter().enumerate().flat_map(move |(g, gate)| {
                let end = gate.unit.layers.len();
                let layers = gate.unit.layers.iter().enumerate();
                layers
                    .map(move |(i, layer)| (At::Logits(l, g, i), Part::Gates, i + 1 == end, layer))
            });
            experts.chain(gates)
        });
        let towers = self.towers.iter().enumerate().flat_map(|(t, unit)| {
            let end = unit.layers.len();
            let layers = unit.layers.iter().enumerate();
            layers.map(move |(i, layer)| (At::Tower(t, i), Part::Towers, i + 1 == end, layer))
        });
        levels.chain(towers)
    }

    /// The layer of a place; `None` where the place is no layer of this plan.
    pub fn layer_mut(&mut self, at: At) -> Option<&mut LayerPlan> {
        match at {
            At::Expert(l, e, i) => self
                .levels
                .get_mut(l)?
                .experts
                .get_mut(e)?
                .layers
                .get_mut(i),
            At::Logits(l, g, i) => self
                .levels
                .get_mut(l)?
                .gates
                .get_mut(g)?
                .unit
                .layers
                .get_mut(i),
            At::Tower(t, i) => self.towers.get_mut(t)?.layers.get_mut(i),
            At::Gate(..) | At::Task(_) | At::Front => None,
        }
    }
}
