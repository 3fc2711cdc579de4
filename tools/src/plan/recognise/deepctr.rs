//! DeepCTR (Keras) in files that name layers and have no configuration: `MMOE`, `PLE`, and the
//! unnamed `DNN`s of `SharedBottom` and `ESMM`. With a configuration [`super::keras`] follows it.

use indexmap::IndexSet;

use super::Found;
use super::names::Names;
use super::wiring::{Extraction, Order, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, Dice, LayerPlan, Layout, Norm, NormKind, Plan, TaskPlan, TensorRef, Unit,
};

/// Keras's default epsilon of a batch norm, which `DNN` keeps, and Dice's own.
const EPSILON: f64 = 1e-3;
const DICE: f64 = 1e-9;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    let any = |part: &str| weights.tensors.keys().any(|n| n.contains(part));
    let has = |layer: &str, weight: &str| tensor(&names(""), layer, weight).is_some();
    if has("expert_0", "kernel0") && any("gate_softmax_") {
        return Some(mmoe(names("DeepCTR MMOE")));
    }
    if any("level_0_gate_softmax_specific_") {
        return Some(ple(names("DeepCTR PLE")));
    }
    if has("dnn", "kernel0") && has("dnn_1", "kernel0") && any("/global_bias") {
        return Some(unnamed(names("DeepCTR SharedBottom or ESMM")));
    }
    None
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts: Vec<_> = (0..)
        .map(|i| dnn(&names, &format!("expert_{i}")))
        .take_while(|layers| !layers.is_empty())
        .collect();
    let tasks = tasks(&names, "gate_softmax_");
    let gates = tasks
        .iter()
        .map(|t| {
            let (stack, last) = (
                format!("gate_{}", t.name),
                format!("gate_softmax_{}", t.name),
            );
            with_last(&names, &stack, &last)
        })
        .collect::<Result<_, _>>()?;
    let towers = towers(&names, &tasks)?;
    let plan = one_level(&names, experts, gates, towers, tasks)?;
    Ok(found(names, plan))
}

fn ple(names: Names<'_>) -> Result<Found, ModelError> {
    let tasks = tasks(&names, "level_0_gate_softmax_specific_");
    let mut extractions = Vec::new();
    for l in 0.. {
        let at = |part: &str| format!("level_{l}_{part}");
        let list = |part: &str| -> Vec<_> {
            (0..)
                .map(|i| dnn(&names, &at(&format!("{part}{i}"))))
                .take_while(|layers| !layers.is_empty())
                .collect()
        };
        let mut level = Extraction {
            shared: list("expert_shared_"),
            ..Extraction::default()
        };
        for task in &tasks {
            level
                .specific
                .push(list(&format!("task_{}_expert_specific_", task.name)));
        }
        if level.shared.is_empty() && level.specific.iter().all(Vec::is_empty) {
            break;
        }
        for task in &tasks {
            let (stack, last) = (
                at(&format!("gate_specific_{}", task.name)),
                at(&format!("gate_softmax_specific_{}", task.name)),
            );
            level.gates.push(with_last(&names, &stack, &last)?);
        }
        if tensor(&names, &at("gate_softmax_shared"), "kernel").is_some() {
            level.shared_gate = Some(with_last(
                &names,
                &at("gate_shared"),
                &at("gate_softmax_shared"),
            )?);
        }
        extractions.push(level);
    }
    let towers = towers(&names, &tasks)?;
    let order = Order {
        shared_first: false,
        shared_sees_shared: false,
    };
    let plan = extraction(&names, extractions, order, towers, tasks)?;
    Ok(found(names, plan))
}

/// `DNN`s that the class does not name: a bottom that all others read, or towers alone. Widths
/// tell which.
fn unnamed(names: Names<'_>) -> Result<Found, ModelError> {
    let mut stacks: Vec<Vec<LayerPlan>> = Vec::new();
    for number in 0.. {
        let name = if number == 0 {
            "dnn".to_owned()
        } else {
            format!("dnn_{number}")
        };
        match dnn(&names, &name) {
            layers if layers.is_empty() => break,
            layers => stacks.push(layers),
        }
    }
    let width = |layer: Option<&LayerPlan>, axis: usize| {
        let weight = layer
            .and_then(|l| l.weight.as_ref())
            .map(|w| w.parts()[0].name.clone());
        weight.and_then(|n| names.shape(&n).get(axis).copied())
    };
    let first: Vec<Option<usize>> = stacks.iter().map(|s| width(s.first(), 0)).collect();
    let made = width(stacks[0].last(), 1);
    let heads = heads(&names);
    let biases: Vec<String> = names
        .weights
        .tensors
        .keys()
        .filter(|n| n.contains("/global_bias"))
        .cloned()
        .collect();
    let layer = |n: &String| n.split('/').next().unwrap_or(n).to_owned();
    let names_of: Vec<String> = biases.iter().map(layer).collect();
    let bottom = first.len() == heads.len() + 1 && first[1..].iter().all(|f| *f == made);
    let from = usize::from(bottom);
    if stacks.len() - from != heads.len() || biases.len() != heads.len() {
        return Err(names.wrong(
            &format!(
                "{} stacks (`dnn`, `dnn_1`, …) stand before {} heads and {} global biases",
                stacks.len(),
                heads.len(),
                biases.len()
            ),
            "describe the model in a spec",
        ));
    }
    let mut towers = stacks.split_off(from);
    for ((tower, head), bias) in towers.iter_mut().zip(heads).zip(biases) {
        tower.push(matrix(&names, &head, "kernel", Some(bias))?);
    }
    let tasks: Vec<TaskPlan> = names_of
        .into_iter()
        .map(|n| TaskPlan::new(n, None))
        .collect();
    let plan = if bottom {
        one_level(&names, stacks, Vec::new(), towers, tasks)?
    } else {
        let tower = |(t, layers)| -> Unit { super::names::unit(format!("tower {t}"), layers) };
        Plan {
            name: "model".into(),
            towers: towers.into_iter().enumerate().map(tower).collect(),
            tasks,
            ..Plan::default()
        }
    };
    let mut found = found(names, plan);
    found.tasks_named = bottom;
    Ok(found)
}

fn found(names: Names<'_>, plan: Plan) -> Found {
    let mut found = Found {
        framework: names.framework,
        plan,
        tasks_named: true,
        ..Found::default()
    };
    found.habits.one_activation = true;
    found.habits.source = "`dnn_activation`, DeepCTR's default";
    found.assumptions.push(
        "the unnamed heads (`dense`, `dense_1`, …) are the tasks' in the file's order".into(),
    );
    names.embeddings(&["sparse_emb_", "sparse_seq_emb_"], &mut found);
    found
}

/// The tasks, from the layers that carry their names.
fn tasks(names: &Names<'_>, prefix: &str) -> Vec<TaskPlan> {
    names
        .words(prefix)
        .into_iter()
        .map(|name| TaskPlan::new(name, None))
        .collect()
}

fn towers(names: &Names<'_>, tasks: &[TaskPlan]) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    let heads = heads(names);
    if heads.len() != tasks.len() {
        return Err(names.wrong(
            &format!(
                "{} unnamed heads (`dense`, `dense_1`, …) stand behind {} towers",
                heads.len(),
                tasks.len()
            ),
            "describe the model in a spec",
        ));
    }
    tasks
        .iter()
        .zip(heads)
        .map(|(task, head)| {
            let mut tower = dnn(names, &format!("tower_{}", task.name));
            let bias = tensor(names, &task.name, "global_bias");
            tower.push(matrix(names, &head, "kernel", bias)?);
            Ok(tower)
        })
        .collect()
}

/// A `DNN`, which may be missing, and the matrix behind it.
fn with_last(names: &Names<'_>, stack: &str, last: &str) -> Result<Vec<LayerPlan>, ModelError> {
    let mut layers = dnn(names, stack);
    layers.push(matrix(names, last, "kernel", None)?);
    Ok(layers)
}

/// A weight of a layer, however the file spells the path.
fn tensor(names: &Names<'_>, layer: &str, weight: &str) -> Option<String> {
    let spellings = [
        format!("{layer}/{layer}/{weight}:0"),
        format!("{layer}/{weight}:0"),
        format!("{layer}/{layer}/{weight}"),
        format!("{layer}/{weight}"),
    ];
    spellings.into_iter().find(|n| names.has(n))
}

fn matrix(
    names: &Names<'_>,
    layer: &str,
    weight: &str,
    bias: Option<String>,
) -> Result<LayerPlan, ModelError> {
    let weight = tensor(names, layer, weight).ok_or_else(|| {
        names.wrong(
            &format!("layer `{layer}` has no kernel"),
            "save the whole model",
        )
    })?;
    Ok(LayerPlan {
        weight: Some(TensorRef::name(weight)),
        layout: Layout::InOut,
        bias: bias.map(TensorRef::name),
        ..LayerPlan::default()
    })
}

/// The layers of a `DNN`: matrix, batch norm, activation.
fn dnn(names: &Names<'_>, layer: &str) -> Vec<LayerPlan> {
    (0..)
        .map_while(|j| {
            let weight = TensorRef::name(tensor(names, layer, &format!("kernel{j}"))?);
            let bias = tensor(names, layer, &format!("bias{j}")).map(TensorRef::name);
            let mut plan = LayerPlan {
                weight: Some(weight),
                layout: Layout::InOut,
                bias,
                before: batch(names, layer, &numbered("batch_normalization", j), EPSILON),
                activation: ActivationPlan::Relu,
                ..LayerPlan::default()
            };
            let at = numbered("dice", j);
            if let Some(alpha) = tensor(names, layer, &format!("{at}/dice_alpha")) {
                // The first norm of a Dice may carry the number of the Dice or none.
                let norm = (0..=j).rev().find_map(|n| {
                    batch(
                        names,
                        layer,
                        &format!("{at}/{}", numbered("batch_normalization", n)),
                        DICE,
                    )
                });
                let alpha = TensorRef::name(alpha);
                plan.activation = ActivationPlan::Dice(Box::new(Dice {
                    alpha,
                    norm,
                    epsilon: DICE,
                }));
            } else {
                plan.open.activation = true;
            }
            Some(plan)
        })
        .collect()
}

fn numbered(class: &str, j: usize) -> String {
    if j == 0 {
        class.to_owned()
    } else {
        format!("{class}_{j}")
    }
}

fn batch(names: &Names<'_>, layer: &str, at: &str, epsilon: f64) -> Option<Norm> {
    let find = |key: &str| tensor(names, layer, &format!("{at}/{key}")).map(TensorRef::name);
    Some(Norm {
        gamma: find("gamma"),
        beta: find("beta"),
        kind: NormKind::Batch(find("moving_mean")?, find("moving_variance")?),
        epsilon,
    })
}

/// The layers called `dense`, `dense_1`, … by Keras, in the file's order.
fn heads(names: &Names<'_>) -> IndexSet<String> {
    let numbered = |layer: &&str| {
        *layer == "dense"
            || layer
                .strip_prefix("dense_")
                .is_some_and(|n| n.parse::<usize>().is_ok())
    };
    let layers = names
        .weights
        .tensors
        .keys()
        .map(|n| n.split('/').next().unwrap_or(n));
    layers.filter(numbered).map(str::to_owned).collect()
}
