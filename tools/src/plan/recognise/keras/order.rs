//! Keras weights without a configuration: nothing says how layers connect, so they are taken in the
//! file's order where their widths allow one reading.

use std::collections::BTreeSet;

use super::layer::EPSILON;
use super::{Group, Mixture, groups};
use crate::error::ModelError;
use crate::plan::recognise::Found;
use crate::plan::recognise::names::{Names, softmax_gate, unit};
use crate::plan::{
    ActivationPlan, Front, LayerPlan, Level, Norm, NormKind, Open, Plan, Reading, Reads, TaskPlan,
    TensorRef, Unit,
};

const WHY: &str = "weights alone do not say how layers connect";

/// The whole model around a mixture layer.
pub(super) fn complete(names: &Names<'_>, mixture: Mixture) -> Result<Found, ModelError> {
    let outside = format!("{}/", mixture.path);
    let all = groups(names);
    let embeds = |path: &str| {
        path.rsplit('/')
            .next()
            .is_some_and(|s| s.contains("embedding"))
    };
    let dense: Vec<&Group> = all
        .iter()
        .filter(|g| !g.path.starts_with(&outside) && g.path != mixture.path && !embeds(&g.path))
        .collect();
    let gates = mixture.level.gates.len();
    let shares = share_out(&dense, &mixture);
    let Some((stem, order)) = shares.first().copied() else {
        return Err(unshared(names, &dense, gates));
    };
    let behind = &dense[stem..];
    let mut found = Found {
        framework: names.framework,
        tasks_named: !behind.is_empty(),
        ..Found::default()
    };
    found.habits.source = WHY;
    let depth = behind.len() / gates;
    if depth > 0 {
        found.assumptions.push(format!(
            "the dense layers behind the mixture are the tasks' towers in the file's order \
             ({}): {WHY}",
            order.words()
        ));
    }
    let mut towers: Vec<Unit> = Vec::new();
    for t in 0..gates {
        let mut tower = unit(format!("tower {t}"), tower(behind, order, t, gates));
        tower.reads = Reads::Stream(t);
        towers.push(tower);
        let name = end(behind, order, t, gates).map_or_else(|| format!("task{t}"), str::to_owned);
        found.plan.tasks.push(TaskPlan::new(name, None));
    }
    let mut front = before(&dense[..stem]);
    let beside = beside(names, &outside, &dense);
    let beside_none = beside.is_empty();
    let left = norms(beside, &mut towers, depth);
    for norm in left {
        // A norm as wide as what the mixture reads can stand nowhere else.
        if norm.width == mixture.inputs && front.iter().all(|l| l.before.is_none()) {
            front.push(norm.alone());
        }
    }
    if !front.is_empty() {
        let name = dense[..stem].first().map_or("a norm", |g| &g.name);
        found.plan.front = Some(in_front(front, name));
    }
    // Layers beside the dense ones were put where the first reading has a place for them.
    if beside_none {
        found.plan.readings = readings(&dense, &shares, gates);
    }
    found.plan = Plan {
        name: "model".into(),
        levels: vec![mixture.level],
        towers,
        ..found.plan
    };
    let counts =
        names.weights.tensors.keys().filter(|n| {
            n.ends_with("/vars/2") && n.split('/').any(|s| s.starts_with("normalization"))
        });
    let why = "counts the rows that were measured";
    found
        .dead
        .extend(counts.map(|n| (n.clone(), why.to_owned())));
    let tables = names.weights.tensors.keys().filter(|n| {
        n.split('/')
            .any(|s| s.starts_with("embedding") || s.starts_with("sparse_emb"))
    });
    let tables: Vec<String> = tables.cloned().collect();
    if !tables.is_empty() {
        found.embeddings = Some(format!(
            "{} stand before the input: the blob starts at the vector that enters the experts",
            tables
                .iter()
                .map(|t| format!("`{t}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ));
        found.tables.extend(tables);
    }
    Ok(found)
}

/// In which order towers stand in a file.
#[derive(Debug, Clone, Copy)]
enum Order {
    ByLayer,
    ByTask,
}

impl Order {
    fn at(self, t: usize, l: usize, gates: usize, depth: usize) -> usize {
        match self {
            Self::ByLayer => l * gates + t,
            Self::ByTask => t * depth + l,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::ByLayer => "all first layers, then all second ones",
            Self::ByTask => "task by task",
        }
    }
}

/// The layers of tower `t`.
fn tower(behind: &[&Group], order: Order, t: usize, gates: usize) -> Vec<LayerPlan> {
    let depth = behind.len() / gates;
    let layer = |l| {
        let last = l + 1 == depth;
        let function = if last {
            ActivationPlan::Linear
        } else {
            ActivationPlan::Relu
        };
        let mut layer = behind[order.at(t, l, gates, depth)].layer(function);
        layer.open.activation = !last;
        layer
    };
    (0..depth).map(layer).collect()
}

/// What the last layer of tower `t` is called.
fn end<'g>(behind: &[&'g Group], order: Order, t: usize, gates: usize) -> Option<&'g str> {
    let depth = behind.len() / gates;
    let last = depth.checked_sub(1)?;
    Some(&behind[order.at(t, last, gates, depth)].name)
}

/// Layers before the mixture.
fn before(stem: &[&Group]) -> Vec<LayerPlan> {
    let layer = |g: &&Group| {
        let mut layer = g.layer(ActivationPlan::Relu);
        layer.open.activation = true;
        layer
    };
    stem.iter().map(layer).collect()
}

fn in_front(layers: Vec<LayerPlan>, name: &str) -> Front {
    Front {
        layers,
        runs: false,
        open: true,
        name: name.into(),
    }
}

/// All readings that end the same towers with the same layers.
fn readings(dense: &[&Group], shares: &[(usize, Order)], gates: usize) -> Vec<Reading> {
    let ends = |(stem, order): (usize, Order)| {
        (0..gates).map(move |t| end(&dense[stem..], order, t, gates))
    };
    let alike = shares
        .iter()
        .filter(|s| ends(**s).eq(ends(shares[0])))
        .copied();
    let reading = |(stem, order): (usize, Order)| {
        let (stem, behind) = dense.split_at(stem);
        Reading {
            before: stem.iter().map(|g| g.name.clone()).collect(),
            front: stem.first().map(|g| in_front(before(stem), &g.name)),
            towers: (0..gates)
                .map(|t| (format!("tower {t}"), tower(behind, order, t, gates)))
                .collect(),
        }
    };
    alike.map(reading).collect()
}

/// How many of the dense layers can stand before the mixture, and in which order the rest are
/// towers then.
fn share_out(dense: &[&Group], mixture: &Mixture) -> Vec<(usize, Order)> {
    let gates = mixture.level.gates.len();
    let share = |stem: usize| {
        let (before, behind) = dense.split_at(stem);
        let runs = before.windows(2).all(|w| w[0].shape[1] == w[1].shape[0])
            && before.last().is_none_or(|g| g.shape[1] == mixture.inputs);
        // With layers before it, a mixture without towers is no reading.
        let order = towers(behind, gates, mixture.units)?;
        (runs && (stem == 0 || !behind.is_empty())).then_some((stem, order))
    };
    (0..=dense.len()).filter_map(share).collect()
}

fn unshared(names: &Names<'_>, dense: &[&Group], gates: usize) -> ModelError {
    let list: Vec<String> = dense
        .iter()
        .map(|g| format!("`{}` {:?}", g.path, g.shape))
        .collect();
    names.wrong(
        &format!(
            "{gates} tasks do not share out its {} layers behind the mixture ({})",
            dense.len(),
            list.join(", ")
        ),
        "convert the `.keras` or full `.h5` file, which says how they connect, or describe the \
         towers in a spec",
    )
}

/// The order in which layers are towers of `gates` tasks on mixtures of this width.
fn towers(layers: &[&Group], gates: usize, units: usize) -> Option<Order> {
    if gates == 0 || !layers.len().is_multiple_of(gates) {
        return None;
    }
    let depth = layers.len() / gates;
    [Order::ByLayer, Order::ByTask].into_iter().find(|order| {
        (0..gates).all(|t| {
            let mut width = units;
            (0..depth).all(|l| {
                let [inputs, outputs] = layers[order.at(t, l, gates, depth)].shape;
                std::mem::replace(&mut width, outputs) == inputs
            })
        })
    })
}

/// A norm or a trained slope beside the dense layers.
struct Beside {
    width: usize,
    norm: Option<Norm>,
    slope: Option<TensorRef>,
    /// Whether it was measured, not trained: a `Normalization`.
    measured: bool,
}

impl Beside {
    fn alone(self) -> LayerPlan {
        LayerPlan {
            open: Open {
                epsilon: !self.measured,
                ..Open::default()
            },
            before: self.norm,
            ..LayerPlan::default()
        }
    }
}

/// Norms and slopes outside the mixture, in the file's order.
fn beside(names: &Names<'_>, inside: &str, dense: &[&Group]) -> Vec<Beside> {
    let mut paths: Vec<String> = Vec::new();
    let mut seen = BTreeSet::new();
    let training = |n: &str| {
        ["metrics/", "optimizer/", "optimizer_weights/"]
            .iter()
            .any(|p| n.starts_with(p))
    };
    for name in names
        .weights
        .tensors
        .keys()
        .filter(|n| !n.starts_with(inside))
    {
        if training(name) {
            continue;
        }
        let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
        let path = parent.strip_suffix("/vars").unwrap_or(parent);
        if !dense.iter().any(|g| g.path == path) && seen.insert(path.to_owned()) {
            paths.push(path.to_owned());
        }
    }
    let exists = |n: &str| names.has(n);
    let of = |path: &String| {
        let class = path.rsplit('/').next().unwrap_or(path);
        let first = [
            format!("{path}/vars/0"),
            format!("{path}/alpha:0"),
            format!("{path}/alpha"),
        ];
        let first = first.into_iter().find(|n| names.has(n));
        if class.starts_with("normalization") {
            let [mean, variance] = [0, 1].map(|n| format!("{path}/vars/{n}"));
            let width = names.shape(&mean).iter().product();
            let kind = NormKind::Batch(TensorRef::name(mean), TensorRef::name(variance));
            let norm = Some(Norm {
                gamma: None,
                beta: None,
                kind,
                epsilon: 1e-14,
            });
            return Some(Beside {
                width,
                norm,
                slope: None,
                measured: true,
            });
        }
        if class.starts_with("p_re_lu") || class.starts_with("prelu") {
            let slope = first?;
            let width = names.shape(&slope).iter().product();
            let slope = Some(TensorRef::name(slope));
            return Some(Beside {
                width,
                norm: None,
                slope,
                measured: false,
            });
        }
        if class.contains("embedding") {
            return None;
        }
        let norm = Norm::at(path, EPSILON, &exists)?;
        let vector = &norm.gamma.as_ref()?.parts()[0].name;
        let width = names.shape(vector).iter().product();
        Some(Beside {
            width,
            norm: Some(norm),
            slope: None,
            measured: false,
        })
    };
    paths.iter().filter_map(of).collect()
}

/// Gives the hidden layers of the towers their norms and slopes where there is one for each, in the
/// file's order; what is left is given back.
fn norms(all: Vec<Beside>, towers: &mut [Unit], depth: usize) -> Vec<Beside> {
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    for l in 0..depth.saturating_sub(1) {
        hidden.extend((0..towers.len()).map(|t| (t, l)));
    }
    let (slopes, mut norms): (Vec<Beside>, Vec<Beside>) =
        all.into_iter().partition(|b| b.slope.is_some());
    if slopes.len() == hidden.len() {
        for ((t, l), b) in hidden.iter().zip(slopes) {
            if let (Some(layer), Some(slope)) = (towers[*t].layers.get_mut(*l), b.slope) {
                layer.activation = ActivationPlan::PRelu(slope);
                layer.open.activation = false;
            }
        }
    }
    let extra = norms.len().saturating_sub(hidden.len());
    if hidden.is_empty() || norms.len() < hidden.len() || extra > 1 {
        return norms;
    }
    for ((t, l), b) in hidden.into_iter().zip(norms.split_off(extra)) {
        if let Some(layer) = towers[t].layers.get_mut(l) {
            layer.before = b.norm;
            layer.open.order = true;
            layer.open.epsilon = true;
        }
    }
    norms
}

/// A functional model of dense layers alone, told by widths: experts side by side, gates with as
/// many rows as there are experts, towers. `None` where there is not exactly one reading.
pub(super) fn plain(names: &Names<'_>) -> Option<Result<Found, ModelError>> {
    let all = groups(names);
    let dense: Vec<&Group> = all
        .iter()
        .filter(|g| matches!(g.parent(), "layers" | "") || g.path.split('/').count() == 2)
        .collect();
    let inputs = dense.first()?.shape[0];
    let mut readings = Vec::new();
    let widths: BTreeSet<usize> = dense.iter().map(|g| g.shape[1]).collect();
    for experts in widths.into_iter().filter(|e| (2..=32).contains(e)) {
        let is_gate = |g: &&&Group| g.shape == [inputs, experts];
        let gates: Vec<&Group> = dense.iter().filter(is_gate).copied().collect();
        let rest: Vec<&Group> = dense.iter().filter(|g| !is_gate(g)).copied().collect();
        for depth in 1..=rest.len() / experts {
            let (stacks, behind) = rest.split_at(experts * depth);
            let first = stacks.first().map_or(0, |g| g.shape[0]);
            let units = stacks.last().map_or(0, |g| g.shape[1]);
            let alike = stacks
                .chunks(experts)
                .all(|run| run.iter().all(|g| g.shape == run[0].shape));
            let deep = stacks.chunks(experts).collect::<Vec<_>>();
            let runs = first == inputs
                && alike
                && deep
                    .windows(2)
                    .all(|w| w[0][0].shape[1] == w[1][0].shape[0]);
            let shared_out = (!behind.is_empty())
                .then(|| towers(behind, gates.len(), units))
                .flatten();
            if let (true, Some(order)) = (runs, shared_out) {
                readings.push((
                    experts,
                    depth,
                    gates.clone(),
                    stacks.to_vec(),
                    behind.to_vec(),
                    order,
                ));
            }
        }
    }
    let [(experts, depth, gates, stacks, behind, order)] = readings.as_slice() else {
        return None;
    };
    let open = |g: &Group, function: ActivationPlan, open: bool| {
        let mut layer = g.layer(function);
        layer.open.activation = open;
        layer
    };
    let mut level = Level::default();
    for e in 0..*experts {
        let layers = (0..*depth).map(|l| open(stacks[l * experts + e], ActivationPlan::Relu, true));
        level
            .experts
            .push(unit(format!("expert {e}"), layers.collect()));
    }
    for (t, gate) in gates.iter().enumerate() {
        let layers = vec![open(gate, ActivationPlan::Linear, false)];
        let mut gate = softmax_gate(unit(format!("gate {t}"), layers), (0..*experts).collect());
        gate.open = true;
        level.gates.push(gate);
    }
    let mut plan = Plan {
        name: "model".into(),
        levels: vec![level],
        ..Plan::default()
    };
    let end = behind.len() / gates.len();
    for t in 0..gates.len() {
        let layers = (0..end).map(|l| {
            let last = l + 1 == end;
            let function = if last {
                ActivationPlan::Linear
            } else {
                ActivationPlan::Relu
            };
            open(behind[order.at(t, l, gates.len(), end)], function, !last)
        });
        let mut tower = unit(format!("tower {t}"), layers.collect());
        tower.reads = Reads::Stream(t);
        plan.towers.push(tower);
        let name = behind[order.at(t, end - 1, gates.len(), end)].name.clone();
        plan.tasks.push(TaskPlan::new(name, None));
    }
    let mut found = Found {
        framework: "dense layers of Keras",
        plan,
        tasks_named: true,
        ..Found::default()
    };
    found.habits.source = WHY;
    found.assumptions.push(format!(
        "{experts} experts, {} gates and towers are told by their widths and the file's order ({}): {WHY}",
        gates.len(),
        order.words()
    ));
    Some(Ok(found))
}
