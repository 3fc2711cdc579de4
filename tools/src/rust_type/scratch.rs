//! How many bytes of buffers a type's predictions take: what the engine's `SCRATCH` constants say,
//! computed from the same tree that is written out.

use super::ty::{Arg, Ty};

/// Bytes of logits, probabilities and accumulators in every model.
const WORD: usize = 4;

/// Sizes of a model's numbers, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// One activation.
    pub(super) act: usize,
    /// One gate weight.
    pub(super) gate: usize,
}

/// Bytes of one level's buffers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffers {
    /// While it runs.
    pub(super) own: usize,
    /// Of what it leaves to a next level.
    pub(super) streams: usize,
}

/// Elements that a part makes: a layer, layers in a sequence, an expert, a gate or a tower.
fn outputs(ty: &Ty) -> usize {
    let Ty::Named(name, args) = ty.resolved() else {
        return 0;
    };
    match (*name, args.as_slice()) {
        ("Dense" | "Logits" | "ConstantGate" | "Gate", [_, Arg::Number(n), ..])
        | (
            "Affine" | "PRelu" | "LayerNorm" | "RmsNorm" | "UnitNorm" | "GroupNorm" | "Pointwise"
            | "Dice" | "RowDice" | "MixtureOutput",
            [Arg::Number(n), ..],
        )
        | ("DSelectKGate", [_, Arg::Number(n), _])
        | ("MaskedGate", [.., Arg::Number(n)]) => *n,
        ("Seq" | "Seq3" | "Slice" | "Hot", [.., Arg::Type(last)]) => outputs(last),
        (_, [Arg::Type(layers), ..]) => outputs(layers),
        _ => 0,
    }
}

impl Sizes {
    /// Bytes of a part's buffers while it runs.
    fn scratch(self, ty: &Ty) -> usize {
        let Ty::Named(name, args) = ty.resolved() else {
            return 0;
        };
        // What a pair needs: the first one's output, and the larger of both's buffers.
        let pair = |a: &Ty, first: usize, second: usize| outputs(a) * self.act + first.max(second);
        match (*name, args.as_slice()) {
            ("Seq", [Arg::Type(a), Arg::Type(b)]) => pair(a, self.scratch(a), self.scratch(b)),
            ("Seq3", [Arg::Type(a), Arg::Type(b), Arg::Type(c)]) => {
                let front = pair(a, self.scratch(a), self.scratch(b));
                pair(b, front, self.scratch(c))
            }
            ("Slice" | "Hot", [.., Arg::Type(part)]) => self.scratch(part),
            ("Gate", _) => outputs(ty) * WORD,
            (
                "SoftmaxGate" | "SigmoidGate" | "HardGate" | "TopKGate" | "DSelectKGate"
                | "Multiclass",
                [Arg::Type(layers), ..],
            ) => outputs(layers) * WORD + self.scratch(layers),
            ("MaskedGate", [Arg::Type(gate), ..]) => outputs(gate) * self.gate + self.scratch(gate),
            ("Binary" | "Regression", [Arg::Type(layers)]) => WORD + self.scratch(layers),
            ("MultiRegression" | "Activated", [Arg::Type(layers)]) => self.scratch(layers),
            // Single layers write where they are told.
            _ => 0,
        }
    }

    fn most<'t>(self, parts: impl IntoIterator<Item = &'t Ty>) -> usize {
        let scratch = parts.into_iter().map(|ty| self.scratch(ty));
        scratch.max().unwrap_or(0)
    }

    /// The buffers of a level.
    pub(super) fn level(self, ty: &Ty) -> Buffers {
        let Ty::Named(name, args) = ty.resolved() else {
            return self.passed_on(0);
        };
        let types: Vec<&Ty> = args
            .iter()
            .filter_map(|a| match a {
                Arg::Type(ty) => Some(ty),
                _ => None,
            })
            .collect();
        match (*name, types.as_slice()) {
            ("MmoeLevel", [experts, gates]) => {
                let (experts, gates) = (experts.items(), gates.items());
                let weights = gates.len() * experts.len();
                self.mixed(&experts, gates.len(), weights, &gates)
            }
            ("CgcLevel", [own, shared, gate]) => {
                let (experts, tasks) = cgc(own, shared, args);
                let seen = own.items().len() + shared.items().len();
                self.mixed(&experts, tasks, tasks * seen, &[*gate])
            }
            ("ExtractionLevel", [level, gate]) => {
                let Ty::Named("CgcLevel", inner) = level.resolved() else {
                    return self.passed_on(0);
                };
                let [Arg::Type(own), Arg::Type(shared), Arg::Type(task_gate), _] = inner.as_slice()
                else {
                    return self.passed_on(0);
                };
                let (experts, tasks) = cgc(own, shared, inner);
                let seen = own.items().len() + shared.items().len();
                let all = tasks * own.items().len() + shared.items().len();
                self.mixed(&experts, tasks + 1, tasks * seen + all, &[task_gate, *gate])
            }
            _ => self.passed_on(0),
        }
    }

    /// Experts weighed by `gates` gates with so many weights in all.
    fn mixed(self, experts: &[&Ty], gates: usize, weights: usize, kinds: &[&Ty]) -> Buffers {
        let width = experts.first().map_or(0, |e| outputs(e));
        let inner = self.most(experts.iter().chain(kinds).copied());
        Buffers {
            own: width * self.act + gates * width * WORD + weights * self.gate + inner,
            streams: gates * width * self.act,
        }
    }

    /// The buffers of a model without gates whose one stream is an expert's output.
    pub(super) fn shared_expert(self, expert: &Ty) -> Buffers {
        let mut buffers = self.passed_on(outputs(expert));
        buffers.own += self.scratch(expert);
        buffers
    }

    /// The buffers of a stream of this width that nothing mixes.
    pub(super) fn passed_on(self, width: usize) -> Buffers {
        Buffers {
            own: 2 * width * self.act,
            streams: 0,
        }
    }

    /// Bytes of the outputs of all towers and products, and of the largest tower's buffers.
    pub(super) fn towers(self, towers: &[Ty], products: usize) -> (usize, usize) {
        let (mut bytes, mut align) = (0usize, 1);
        for tower in towers {
            // A tower without layers, or one that ends in an activation, gives activations.
            let is_plain = matches!(
                tower.resolved(),
                Ty::Named("MixtureOutput" | "Activated", _)
            );
            let size = if is_plain { self.act } else { WORD };
            bytes = bytes.next_multiple_of(size) + outputs(tower) * size;
            align = align.max(size);
        }
        bytes += products * WORD;
        (bytes.next_multiple_of(align), self.most(towers))
    }
}

/// All experts' kinds of a level of CGC, and its number of tasks.
fn cgc<'t>(own: &'t Ty, shared: &'t Ty, args: &[Arg]) -> (Vec<&'t Ty>, usize) {
    let tasks = match args.last() {
        Some(Arg::Number(n)) => *n,
        _ => 0,
    };
    let mut experts = own.items();
    experts.extend(shared.items());
    (experts, tasks)
}
