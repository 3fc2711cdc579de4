//! Towers that read the towers before them (AITM): the bottoms of all tasks stand side by side in one
//! stream, and each task but the first has two levels that rewrite its part of it.
//!
//! ```text
//! bottoms     [s0 | s1 | s2]                      one expert, all bottoms side by side
//! info level  [s0 | s1 | info(s0) | s2]           two experts, added: what stays, and the info
//! attention   [s0 | g·V(s1) + g'·V(info) | s2]    two experts, mixed by a softmax gate
//! ```
//!
//! What a level passes on is the same in both experts, and the gate's weights add up to one. The logit
//! of a token t is Q(t)·K(t) / √d, a difference of squares: ((Q + K)(t)² − (Q − K)(t)²) / 4√d.

use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::plan::{
    ActivationPlan, Block, Blocks, GateKindPlan, GatePlan, LayerPlan, Layout, Level, Norm,
    NormKind, Part, Plan, Pointwise, Reads, Slice, TaskPlan, TensorRef, Unit,
};

/// The layers of one transfer of information, from a task to the next one.
pub(super) struct Transfer {
    /// From a task's hidden value to what the next task is told.
    pub(super) info: Vec<LayerPlan>,
    /// Prefixes of the linear layers that make queries, keys and values of a token.
    pub(super) query: String,
    pub(super) key: String,
    pub(super) value: String,
}

/// The plan of bottoms that inform each other, `transfers` being one fewer than the tasks.
pub(super) fn transfer(
    names: &Names<'_>,
    bottoms: Vec<Vec<LayerPlan>>,
    transfers: Vec<Transfer>,
    towers: Vec<Vec<LayerPlan>>,
    tasks: Vec<TaskPlan>,
) -> Result<Plan, ModelError> {
    let count = towers.len();
    if count == 0 || bottoms.len() != count || transfers.len() + 1 != count {
        return Err(names.wrong(
            &format!(
                "it has {} bottoms and {} transfers for {count} towers",
                bottoms.len(),
                transfers.len()
            ),
            "each task has a bottom, and each but the first a transfer; the file may be cut",
        ));
    }
    let (bottoms, width) = side_by_side(names, &bottoms)?;
    let mut levels = vec![Level {
        experts: vec![unit("bottoms".into(), bottoms)],
        gates: Vec::new(),
    }];
    for (t, transfer) in transfers.into_iter().enumerate() {
        let made = At {
            task: t + 1,
            width,
            count,
        };
        levels.push(made.info(transfer.info));
        levels.push(made.attention(names, [transfer.query, transfer.key, transfer.value]));
    }
    let tower = |(t, layers)| Unit {
        reads: Reads::Stream(0),
        slice: Some(Slice {
            start: t * width,
            count: width,
        }),
        ..unit(format!("tower {t}"), layers)
    };
    Ok(Plan {
        name: "model".into(),
        levels,
        towers: towers.into_iter().enumerate().map(tower).collect(),
        tasks,
        ..Plan::default()
    })
}

/// Stacks of layers as one stack on the same input, and how wide each ends.
fn side_by_side(
    names: &Names<'_>,
    stacks: &[Vec<LayerPlan>],
) -> Result<(Vec<LayerPlan>, usize), ModelError> {
    let unlike = || {
        names.wrong(
            "its bottoms differ in depth, width or kind, or normalize each row",
            "bottoms stand side by side in one expert here: they have the same layers, with batch \
             norms or none; describe the model in a spec otherwise",
        )
    };
    let depth = stacks.first().map_or(0, Vec::len);
    let mut made = Vec::new();
    let mut width = 0;
    for l in 0..depth {
        let layers: Vec<&LayerPlan> = stacks
            .iter()
            .map(|s| s.get(l).filter(|_| s.len() == depth))
            .collect::<Option<_>>()
            .ok_or_else(unlike)?;
        let shapes: Option<Vec<(usize, usize)>> = layers
            .iter()
            .map(|layer| {
                let weight = layer.weight.as_ref()?.parts().first()?;
                let &[outputs, inputs] = names.shape(&weight.name) else {
                    return None;
                };
                Some((outputs, inputs))
            })
            .collect();
        let shapes = shapes.ok_or_else(unlike)?;
        let same =
            shapes.iter().all(|s| *s == shapes[0]) && layers.iter().all(|o| alike(o, layers[0]));
        if !same {
            return Err(unlike());
        }
        let (outputs, inputs) = shapes[0];
        width = outputs;
        let all = |of: &dyn Fn(&LayerPlan) -> Option<&TensorRef>| -> Option<TensorRef> {
            let parts: Option<Vec<Part>> = layers
                .iter()
                .map(|l| of(l)?.parts().first().cloned())
                .collect();
            parts.map(TensorRef::Rows)
        };
        let weight = if l == 0 {
            all(&|l| l.weight.as_ref())
        } else {
            let mut blocks = Blocks::new(outputs * layers.len(), inputs * layers.len());
            for (t, layer) in layers.iter().enumerate() {
                let part = layer.weight.as_ref().and_then(|w| w.parts().first());
                blocks.tensor(
                    (t * outputs, t * inputs),
                    1.0,
                    part.ok_or_else(unlike)?.clone(),
                );
            }
            Some(TensorRef::Blocks(blocks))
        };
        // A slope for all units of a bottom, repeated for each.
        let activation = match &layers[0].activation {
            ActivationPlan::PRelu(_) => {
                let mut blocks = Blocks::new(outputs * layers.len(), 1);
                for (t, layer) in layers.iter().enumerate() {
                    if let ActivationPlan::PRelu(slope) = &layer.activation
                        && let Some(part) = slope.parts().first()
                    {
                        blocks.repeated(t * outputs, outputs, part.clone());
                    }
                }
                ActivationPlan::PRelu(TensorRef::Blocks(blocks))
            }
            plain => plain.clone(),
        };
        let norm = |of: &dyn Fn(&LayerPlan) -> &Option<Norm>| -> Option<Norm> {
            let first = of(layers[0]).as_ref()?;
            let part = |pick: &dyn Fn(&Norm) -> Option<&TensorRef>| {
                all(&|l| of(l).as_ref().and_then(pick))
            };
            let moments = |at: usize| {
                part(&|n| match &n.kind {
                    NormKind::Batch(mean, variance) => Some([mean, variance][at]),
                    _ => None,
                })
            };
            Some(Norm {
                gamma: part(&|n| n.gamma.as_ref()),
                beta: part(&|n| n.beta.as_ref()),
                kind: NormKind::Batch(moments(0)?, moments(1)?),
                epsilon: first.epsilon,
            })
        };
        made.push(LayerPlan {
            weight,
            bias: all(&|l| l.bias.as_ref()),
            before: norm(&|l| &l.before),
            after: norm(&|l| &l.after),
            activation,
            ..layers[0].clone()
        });
    }
    Ok((made, width))
}

/// Whether two layers are of one kind, and of one that does not look at the whole row.
fn alike(a: &LayerPlan, b: &LayerPlan) -> bool {
    let activations = match (&a.activation, &b.activation) {
        (ActivationPlan::PRelu(_), ActivationPlan::PRelu(_)) => true,
        (ActivationPlan::Dice(_), _) => false,
        (a, b) => a == b,
    };
    let norms = |a: &Option<Norm>, b: &Option<Norm>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => a.is_batch() && b.is_batch() && a.epsilon == b.epsilon,
        _ => false,
    };
    activations
        && norms(&a.before, &b.before)
        && norms(&a.after, &b.after)
        && a.bias.is_some() == b.bias.is_some()
        && !a.residual
}

/// The two levels of one task.
struct At {
    /// The task that is informed, by the one before it.
    task: usize,
    /// How wide each task's part of the stream is.
    width: usize,
    /// How many tasks there are.
    count: usize,
}

impl At {
    /// Where a task's part lies while the info stands behind that of the informed task.
    fn wide(&self, task: usize) -> usize {
        (task + usize::from(task > self.task)) * self.width
    }

    fn reading(name: &str, slice: Option<(usize, usize)>, layers: Vec<LayerPlan>) -> Unit {
        Unit {
            reads: Reads::Stream(0),
            slice: slice.map(|(start, count)| Slice { start, count }),
            ..unit(name.into(), layers)
        }
    }

    /// Puts the info of the task before behind the task's own part.
    fn info(&self, mut layers: Vec<LayerPlan>) -> Level {
        let (all, wide) = (self.count * self.width, (self.count + 1) * self.width);
        let mut kept = Blocks::new(wide, all);
        for t in 0..self.count {
            kept.identity((self.wide(t), t * self.width), self.width);
        }
        let mut placed = Blocks::new(wide, self.width);
        placed.identity(((self.task + 1) * self.width, 0), self.width);
        layers.push(linear(placed, None));
        let from = (self.task - 1) * self.width;
        let name = |what: &str| format!("{what} of task {}", self.task);
        let experts = vec![
            Self::reading(&name("what stays"), None, vec![linear(kept, None)]),
            Self::reading(&name("info"), Some((from, self.width)), layers),
        ];
        let sum = GatePlan {
            kind: GateKindPlan::Constant(vec![1.0, 1.0]),
            ..softmax_gate(Self::reading(&name("sum"), None, Vec::new()), vec![0, 1])
        };
        Level {
            experts,
            gates: vec![sum],
        }
    }

    /// Mixes the task's own part and the info into the task's part.
    fn attention(&self, names: &Names<'_>, [query, key, value]: [String; 3]) -> Level {
        let d = self.width;
        let wide = (self.count + 1) * d;
        let part = |prefix: &str, what: &str| Part::new(format!("{prefix}.{what}"));
        let tokens = [self.task * d, (self.task + 1) * d];
        let experts = tokens.iter().enumerate().map(|(i, token)| {
            let mut weight = Blocks::new(self.count * d, wide);
            for t in (0..self.count).filter(|t| *t != self.task) {
                weight.identity((t * d, self.wide(t)), d);
            }
            weight.tensor((self.task * d, *token), 1.0, part(&value, "weight"));
            let mut bias = Blocks::new(self.count * d, 1);
            bias.tensor((self.task * d, 0), 1.0, part(&value, "bias"));
            let bias = names.has(&format!("{value}.bias")).then_some(bias);
            let name = format!("value {i} of task {}", self.task);
            Self::reading(&name, None, vec![linear(weight, bias)])
        });
        // Rows: for each token the sum and the difference of query and key.
        let mut weight = Blocks::new(4 * d, 2 * d);
        let mut bias = Blocks::new(4 * d, 1);
        for (token, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
            let row = (2 * token + usize::from(sign < 0.0)) * d;
            for (prefix, factor) in [(&query, 1.0), (&key, sign)] {
                weight.tensor((row, token * d), factor, part(prefix, "weight"));
                if names.has(&format!("{prefix}.bias")) {
                    bias.tensor((row, 0), factor, part(prefix, "bias"));
                }
            }
        }
        let squares = LayerPlan {
            activation: ActivationPlan::Pointwise(Pointwise::Square),
            ..linear(weight, Some(bias).filter(|b| !b.parts.is_empty()))
        };
        #[expect(clippy::cast_precision_loss, reason = "a width is far below 2^52")]
        let share = 1.0 / (4.0 * (d as f64).sqrt());
        let mut differences = Blocks::new(2, 4 * d);
        for token in 0..2 {
            differences.row((token, 2 * token * d), share, d);
            differences.row((token, (2 * token + 1) * d), -share, d);
        }
        let gate = softmax_gate(
            Self::reading(
                &format!("attention of task {}", self.task),
                Some((tokens[0], 2 * d)),
                vec![squares, linear(differences, None)],
            ),
            vec![0, 1],
        );
        Level {
            experts: experts.collect(),
            gates: vec![gate],
        }
    }
}

fn linear(weight: Blocks, bias: Option<Blocks>) -> LayerPlan {
    LayerPlan {
        weight: Some(TensorRef::Blocks(weight)),
        layout: Layout::OutIn,
        bias: bias.map(TensorRef::Blocks),
        ..LayerPlan::default()
    }
}

impl Blocks {
    fn new(outputs: usize, inputs: usize) -> Self {
        Self {
            outputs,
            inputs,
            ..Self::default()
        }
    }

    fn tensor(&mut self, at: (usize, usize), factor: f64, part: Part) {
        self.parts.push(part);
        self.blocks.push(Block::Tensor { at, factor });
    }

    fn repeated(&mut self, row: usize, count: usize, part: Part) {
        self.parts.push(part);
        self.blocks.push(Block::Repeated { row, count });
    }

    fn identity(&mut self, at: (usize, usize), count: usize) {
        self.blocks.push(Block::Identity { at, count });
    }

    fn row(&mut self, at: (usize, usize), value: f64, count: usize) {
        self.blocks.push(Block::Row { at, value, count });
    }
}
