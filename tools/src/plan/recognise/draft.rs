//! A first description of a file that nothing recognises: what stands side by side and what follows
//! what, from names, shapes and member numbers alone.

use indexmap::IndexSet;

use super::Found;
use super::keras::groups;
use super::modules::Style;
use super::names::{Names, softmax_gate, unit, unknown_tasks};
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Level, Plan, Reads, Unit};

/// What a user calls layers, as opposed to what is made of them.
const LAYERS: &[&str] = &[
    "fc", "lin", "layer", "dense", "net", "mlp", "seq", "out", "hidden", "proj", "weight", "block",
];

/// A stack of layers, and how wide it begins and ends.
struct Stack {
    key: String,
    layers: Vec<LayerPlan>,
    inputs: usize,
    outputs: usize,
}

/// A plan to start a spec from. Every doubt is marked open in it, and what has no place in it is
/// left over.
#[must_use]
pub fn draft(weights: &Weights) -> Found {
    let names = Names {
        weights,
        framework: "a draft",
    };
    let stacks = stacks(&names);
    let mut found = Found {
        framework: "a draft from names and shapes",
        ..Found::default()
    };
    found.plan = Plan {
        name: "model".into(),
        ..Plan::default()
    };
    let (experts, gates, towers) = roles(&stacks);
    let places = [
        ("experts", &experts),
        ("gates", &gates),
        ("towers", &towers),
    ];
    for (part, list) in places {
        let keys: Vec<String> = list
            .iter()
            .map(|i| format!("`{}`", stacks[*i].key))
            .collect();
        if !keys.is_empty() {
            found
                .assumptions
                .push(format!("{part} by their widths: {}", keys.join(", ")));
        }
    }
    let sees: Vec<usize> = (0..experts.len()).collect();
    if !experts.is_empty() {
        let gates = gates.iter().enumerate().map(|(t, i)| {
            let mut gate = softmax_gate(raw(format!("gate {t}"), &stacks[*i]), sees.clone());
            gate.open = true;
            gate
        });
        let experts = experts
            .iter()
            .map(|i| unit(stacks[*i].key.clone(), stacks[*i].layers.clone()));
        let level = Level {
            experts: experts.collect(),
            gates: gates.collect(),
        };
        found.plan.levels.push(level);
    }
    let streams = found.plan.levels.last().map_or(0, |l| l.gates.len().max(1));
    for (t, i) in towers.iter().enumerate() {
        let mut tower = raw(format!("tower {t}"), &stacks[*i]);
        if streams > 0 {
            tower.reads = Reads::Stream(if streams > 1 { t } else { 0 });
        }
        found.plan.towers.push(tower);
    }
    found.plan.tasks = unknown_tasks(towers.len());
    found
}

/// A stack that ends in raw values.
fn raw(name: String, stack: &Stack) -> Unit {
    let mut made = unit(name, stack.layers.clone());
    if let Some(last) = made
        .layers
        .last_mut()
        .filter(|l| !l.activation.is_trained())
    {
        last.activation = ActivationPlan::Linear;
        last.open.activation = false;
    }
    made
}

/// The stacks of a file, in its order.
fn stacks(names: &Names<'_>) -> Vec<Stack> {
    if names.weights.tensors.keys().any(|n| n.contains('/')) {
        let all = groups(names);
        return all
            .iter()
            .map(|g| {
                let mut layer = g.layer(ActivationPlan::Relu);
                layer.open.activation = true;
                let [inputs, outputs] = g.shape;
                Stack {
                    key: g.path.clone(),
                    layers: vec![layer],
                    inputs,
                    outputs,
                }
            })
            .collect();
    }
    let keys: IndexSet<String> = names
        .weights
        .tensors
        .iter()
        .filter(|(n, t)| t.shape.len() == 2 && n.ends_with(".weight"))
        .map(|(n, _)| key(n.trim_end_matches(".weight")))
        .collect();
    let of = |key: &String| {
        let layers = names.module(key, Style::user()).ok()?;
        let matrices = layers.iter().filter_map(|l| l.weight.as_ref());
        let shapes: Vec<&[usize]> = matrices
            .filter_map(|w| Some(names.shape(&w.parts().first()?.name)))
            .collect();
        let (first, last) = (shapes.first()?, shapes.last()?);
        let (inputs, outputs) = (*first.get(1)?, *last.first()?);
        Some(Stack {
            key: key.clone(),
            layers,
            inputs,
            outputs,
        })
    };
    keys.iter().filter_map(of).collect()
}

/// The module that a matrix's path belongs to: less the numbers and the layers' words at its end.
fn key(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('.').collect();
    while segments.len() > 1
        && segments.last().is_some_and(|s| {
            let lower = s.to_lowercase();
            let number = s.parse::<usize>().is_ok();
            (number && segments.len() > 2) || LAYERS.iter().any(|l| lower.starts_with(l))
        })
    {
        segments.pop();
    }
    segments.join(".")
}

/// Experts, gates and towers by number: experts are stacks of one shape, of which there are as many
/// as gates have rows, and towers read what experts make.
fn roles(stacks: &[Stack]) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let all = || 0..stacks.len();
    for first in all() {
        let shape = |i: &usize| (stacks[*i].inputs, stacks[*i].outputs);
        let experts: Vec<usize> = all().filter(|i| shape(i) == shape(&first)).collect();
        let (inputs, outputs) = shape(&first);
        let gates: Vec<usize> = all()
            .filter(|i| shape(i) == (inputs, experts.len()) && !experts.contains(i))
            .collect();
        let towers: Vec<usize> = all()
            .filter(|i| stacks[*i].inputs == outputs && !experts.contains(i) && !gates.contains(i))
            .collect();
        let fits = !towers.is_empty() && (gates.len() == 1 || gates.len() == towers.len());
        if experts.len() > 1 && fits {
            return (experts, gates, towers);
        }
    }
    // One stack that all others read: a shared bottom.
    let bottom = all().find(|b| {
        stacks.len() > 1 && all().all(|i| i == *b || stacks[i].inputs == stacks[*b].outputs)
    });
    match bottom {
        Some(b) => (vec![b], Vec::new(), all().filter(|i| *i != b).collect()),
        None => (Vec::new(), Vec::new(), all().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn modules_are_told_from_their_layers() {
        for (path, module) in [
            ("bottom_nets.alpha.0", "bottom_nets.alpha"),
            ("mixer.clicked", "mixer.clicked"),
            ("a.b.fc1", "a.b"),
            ("net.3.linear", "net.3"),
            ("x", "x"),
        ] {
            assert_eq!(key(path), module, "{path}");
        }
    }
}
