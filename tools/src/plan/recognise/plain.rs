//! PyTorch modules of a user's own that follow the usual words: something called experts, something
//! called gates, something called towers (or heads), in lists, dictionaries, attributes or packed
//! into one tensor.

use indexmap::{IndexMap, IndexSet};

use super::Found;
use super::modules::Style;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{Front, LayerPlan, Layout, Open, Plan, TaskPlan, TensorRef};

const USER: Style = Style::user();

/// Words that a part's name contains, in lower case.
const EXPERTS: &[&str] = &["expert"];
const GATES: &[&str] = &["gate", "gating", "router"];
const TOWERS: &[&str] = &[
    "tower",
    "head",
    "decoder",
    "classifier",
    "output",
    "task",
    "predict",
];
const BOTTOM: &[&str] = &[
    "bottom", "shared", "encoder", "trunk", "backbone", "stem", "bridge", "base",
];
/// What a user's module calls its layers, as opposed to its tasks.
const LAYERS: &[&str] = &[
    "weight", "bias", "fc", "linear", "lin", "layer", "net", "mlp", "bn", "norm", "ln", "hidden",
    "dense", "out", "proj", "act", "prelu", "seq", "model", "module", "block", "dnn", "running",
    "num",
];

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "a plain PyTorch module (experts/gates/towers)",
    };
    // Keras spells paths with strokes.
    if weights.tensors.keys().any(|n| n.contains('/')) {
        return None;
    }
    let experts = parts(&names, EXPERTS, &[]);
    let others: Vec<&str> = [EXPERTS, GATES].concat();
    let towers = parts(&names, TOWERS, &others);
    let bottom = parts(&names, BOTTOM, &others);
    if !experts.is_empty() && !towers.is_empty() {
        return Some(mixture(names, experts, towers, bottom));
    }
    if experts.is_empty() && bottom.len() == 1 && !towers.is_empty() {
        return Some(shared_bottom(names, &bottom[0], towers));
    }
    None
}

/// An instance of a part: its own word (a number, a task's name, or nothing), and its prefix.
struct Instance {
    key: String,
    prefix: String,
}

/// The instances of the part that these words name, in the order of their numbers or of the file.
fn parts(names: &Names<'_>, words: &[&str], but: &[&str]) -> Vec<Instance> {
    let has = |segment: &str, of: &[&str]| {
        let lower = segment.to_lowercase();
        of.iter().any(|w| lower.contains(w))
    };
    // Segment that names the part → what stands below it.
    let mut roots: IndexMap<String, IndexSet<String>> = IndexMap::new();
    for name in names.weights.tensors.keys() {
        let segments: Vec<&str> = name.split('.').collect();
        let Some(first) = segments.first() else {
            continue;
        };
        if !has(first, words) || has(first, but) || first.to_lowercase().starts_with("emb") {
            continue;
        }
        // A mask beside the gates (`gate_mask`) is none of them.
        if segments.len() == 1 && has(first, &["mask"]) {
            continue;
        }
        // A vector beside the modules (`task_weights`) is no layer of one.
        if segments.len() == 1 && names.shape(name).len() < 2 {
            continue;
        }
        let below = segments.get(1).map_or(String::new(), |s| (*s).to_owned());
        roots.entry((*first).to_owned()).or_default().insert(below);
    }
    let number = |s: &str| s.parse::<usize>().ok();
    let mut found: Vec<Instance> = Vec::new();
    if let [(root, below)] = roots.iter().collect::<Vec<_>>().as_slice() {
        let numbered = below.iter().all(|b| number(b).is_some());
        let listed = numbered && !is_stack(names, root);
        let layer = |b: &String| LAYERS.iter().any(|l| b.to_lowercase().starts_with(l));
        let tasks = !numbered && !below.iter().any(layer) && !below.contains("");
        if listed || tasks {
            for key in below.iter() {
                found.push(Instance {
                    key: key.clone(),
                    prefix: format!("{root}.{key}"),
                });
            }
        } else {
            found.push(Instance {
                key: String::new(),
                prefix: (*root).clone(),
            });
        }
    } else {
        for root in roots.keys() {
            let digits = root.trim_start_matches(|c: char| !c.is_ascii_digit());
            let key = if digits.is_empty() {
                task_of(root, words)
            } else {
                digits.to_owned()
            };
            found.push(Instance {
                key,
                prefix: root.clone(),
            });
        }
    }
    if found.iter().all(|i| number(&i.key).is_some()) {
        found.sort_by_key(|i| number(&i.key));
    }
    found
}

/// What is left of `tower_click` or `click_head` without the part's own word.
fn task_of(root: &str, words: &[&str]) -> String {
    let left: Vec<&str> = root
        .split('_')
        .filter(|s| !words.iter().any(|w| s.to_lowercase().contains(w)))
        .collect();
    left.join("_")
}

/// Whether the numbered members below a name are the layers of one stack, not instances side by
/// side: the second matrix reads what the first makes.
fn is_stack(names: &Names<'_>, root: &str) -> bool {
    let matrices: Vec<&[usize]> = names
        .numbers(&format!("{root}."))
        .into_iter()
        .map(|n| names.shape(&format!("{root}.{n}.weight")))
        .filter(|s| s.len() == 2)
        .collect();
    // Vectors among the members are norms and slopes of a stack.
    let vectors = names
        .numbers(&format!("{root}."))
        .into_iter()
        .any(|n| names.shape(&format!("{root}.{n}.weight")).len() == 1);
    let chains = matrices.windows(2).all(|w| w[1][1] == w[0][0]);
    let alike = matrices.windows(2).all(|w| w[0] == w[1]);
    vectors || (matrices.len() > 1 && chains && !alike)
}

fn mixture(
    names: Names<'_>,
    experts: Vec<Instance>,
    towers: Vec<Instance>,
    bottom: Vec<Instance>,
) -> Result<Found, ModelError> {
    let gates = parts(&names, GATES, EXPERTS);
    numbered(&names, &experts)?;
    let experts = match experts.as_slice() {
        [one] if one.key.is_empty() || is_packed(&names, &one.prefix) => packed(&names, "expert")?,
        _ if names
            .weights
            .tensors
            .iter()
            .any(|(n, t)| is_part(n, "expert") && t.shape.len() == 3) =>
        {
            packed(&names, "expert")?
        }
        list => stacks(&names, list, USER)?,
    };
    let width = experts.first().and_then(|l| input_width(&names, l));
    numbered(&names, &gates)?;
    let gates = gates_of(&names, &gates, experts.len(), width)?;
    let (towers, tasks, named) = towers_of(&names, towers)?;
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, experts, gates, towers, tasks)?,
        tasks_named: named,
        ..Found::default()
    };
    if let [stem] = bottom.as_slice() {
        found.plan.put_below(names.module(&stem.prefix, USER)?);
    }
    for level in &mut found.plan.levels {
        level.gates.iter_mut().for_each(|g| g.open = true);
    }
    finish(&names, &mut found);
    Ok(found)
}

fn shared_bottom(
    names: Names<'_>,
    bottom: &Instance,
    towers: Vec<Instance>,
) -> Result<Found, ModelError> {
    let names = Names {
        framework: "a plain PyTorch module (shared bottom)",
        ..names
    };
    let bottom = names.module(&bottom.prefix, USER)?;
    let (towers, tasks, named) = towers_of(&names, towers)?;
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, vec![bottom], Vec::new(), towers, tasks)?,
        tasks_named: named,
        ..Found::default()
    };
    finish(&names, &mut found);
    Ok(found)
}

/// What holds for every module of a user's own.
fn finish(names: &Names<'_>, found: &mut Found) {
    found.habits.source = "a state dict has no activations";
    doubt_residuals(names, &mut found.plan);
    input_norm(names, &mut found.plan);
    let tables: IndexSet<&str> = before(names).collect();
    names.embeddings(&tables.into_iter().collect::<Vec<_>>(), found);
}

fn numbered(names: &Names<'_>, list: &[Instance]) -> Result<(), ModelError> {
    let numbers: Option<Vec<usize>> = list.iter().map(|i| i.key.parse().ok()).collect();
    let Some(numbers) = numbers else {
        return Ok(());
    };
    let first = numbers.first().copied().unwrap_or(0).min(1);
    match numbers.iter().enumerate().find(|(i, n)| i + first != **n) {
        Some((i, _)) => {
            let root = list[0]
                .prefix
                .trim_end_matches(|c: char| c.is_ascii_digit());
            Err(names.wrong(
                &format!("`{root}{}` is missing between its neighbours", i + first),
                "the file may be cut or pruned: save it whole, or describe it in a spec",
            ))
        }
        None => Ok(()),
    }
}

fn stacks(
    names: &Names<'_>,
    list: &[Instance],
    style: Style,
) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    list.iter()
        .map(|i| names.module(&i.prefix, style))
        .collect()
}

type Towers = (Vec<Vec<LayerPlan>>, Vec<TaskPlan>, bool);

fn towers_of(names: &Names<'_>, list: Vec<Instance>) -> Result<Towers, ModelError> {
    numbered(names, &list)?;
    let towers = stacks(names, &list, USER.ending_raw())?;
    let named = list
        .iter()
        .all(|i| !i.key.is_empty() && i.key.parse::<usize>().is_err());
    let tasks = if named {
        list.into_iter()
            .map(|i| TaskPlan::new(i.key, None))
            .collect()
    } else {
        unknown_tasks(list.len())
    };
    Ok((towers, tasks, named))
}

/// Gates: modules, or bare matrices `[inputs, experts]`, one by one or packed.
fn gates_of(
    names: &Names<'_>,
    list: &[Instance],
    experts: usize,
    width: Option<usize>,
) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    let mut gates = Vec::new();
    for gate in list {
        match names.shape(&gate.prefix) {
            [_, _] => gates.push(vec![bare(
                names,
                TensorRef::name(&gate.prefix),
                experts,
                width,
            )]),
            &[count, ..] if names.shape(&gate.prefix).len() == 3 => {
                for t in 0..count.min(crate::graph::rules::MAX_VALUES) {
                    let matrix = TensorRef::pick(&gate.prefix, 0, t);
                    gates.push(vec![bare(names, matrix, experts, width)]);
                }
            }
            _ => gates.push(names.module(&gate.prefix, USER.ending_raw())?),
        }
    }
    Ok(gates)
}

/// A bare matrix of a gate; where it is square it may lie either way round.
fn bare(names: &Names<'_>, matrix: TensorRef, experts: usize, width: Option<usize>) -> LayerPlan {
    let mut shape = names.shape(&matrix.parts()[0].name).to_vec();
    if shape.len() == 3 {
        shape.remove(0);
    }
    let out_in = shape.first() == Some(&experts) && shape.last().copied() == width;
    let square = shape.first() == shape.last();
    LayerPlan {
        weight: Some(matrix),
        layout: if out_in && !square {
            Layout::OutIn
        } else {
            Layout::InOut
        },
        open: Open {
            layout: square,
            ..Open::default()
        },
        ..LayerPlan::default()
    }
}

fn is_part(name: &str, word: &str) -> bool {
    name.split('.')
        .next()
        .is_some_and(|s| s.to_lowercase().contains(word))
}

fn is_packed(names: &Names<'_>, prefix: &str) -> bool {
    names
        .weights
        .tensors
        .iter()
        .any(|(n, t)| n.starts_with(prefix) && t.shape.len() == 3)
}

/// Experts packed into tensors `[experts, …, …]`, layer after layer in the order of the file, each
/// with the bias `[experts, outputs]` that follows it.
fn packed(names: &Names<'_>, word: &str) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    let all: Vec<(&String, &[usize])> = names
        .weights
        .tensors
        .iter()
        .filter(|(n, _)| is_part(n, word))
        .map(|(n, t)| (n, t.shape.as_slice()))
        .collect();
    let Some(&(_, &[count, ..])) = all
        .iter()
        .find(|(_, s)| s.len() == 3 && s[1] > 1 && s[2] > 1)
    else {
        // One expert that is a module.
        let one = parts(names, EXPERTS, &[]);
        return stacks(names, &one, USER);
    };
    let mut layers: Vec<(LayerPlanOf, [usize; 2])> = Vec::new();
    for (name, shape) in &all {
        match **shape {
            [c, a, b] if c == count && a > 1 && b > 1 => {
                layers.push((
                    LayerPlanOf {
                        weight: (*name).clone(),
                        bias: None,
                    },
                    [a, b],
                ));
            }
            [c, _] | [c, 1, _] if c == count => {
                let Some((layer, _)) = layers.last_mut() else {
                    return Err(names.unknown(name));
                };
                layer.bias = Some((*name).clone());
            }
            _ => return Err(names.unknown(name)),
        }
    }
    // `[inputs, outputs]` where that chains, as a product of rows with a matrix has it.
    let chains = |turn: bool| {
        layers.windows(2).all(|w| {
            let ends = |s: [usize; 2]| if turn { [s[1], s[0]] } else { s };
            ends(w[0].1)[1] == ends(w[1].1)[0]
        })
    };
    let biased = |turn: bool| {
        layers.iter().all(|(l, s)| {
            let made = s[usize::from(!turn)];
            l.bias
                .as_ref()
                .is_none_or(|b| names.shape(b).last() == Some(&made))
        })
    };
    let fits = |turn: bool| chains(turn) && biased(turn);
    let layout = if fits(false) {
        Layout::InOut
    } else {
        Layout::OutIn
    };
    let open = fits(false) && fits(true);
    let expert = |e: usize| {
        let layer = |(of, _): &(LayerPlanOf, [usize; 2])| LayerPlan {
            weight: Some(TensorRef::pick(&of.weight, 0, e)),
            bias: of.bias.as_ref().map(|b| TensorRef::pick(b, 0, e)),
            layout,
            activation: crate::plan::ActivationPlan::Relu,
            open: Open {
                activation: true,
                layout: open,
                ..Open::default()
            },
            ..LayerPlan::default()
        };
        layers.iter().map(layer).collect()
    };
    Ok((0..count.min(crate::graph::rules::MAX_VALUES))
        .map(expert)
        .collect())
}

/// A packed layer's tensors.
struct LayerPlanOf {
    weight: String,
    bias: Option<String>,
}

/// How many features a stack reads.
fn input_width(names: &Names<'_>, layers: &[LayerPlan]) -> Option<usize> {
    let layer = layers.iter().find(|l| l.weight.is_some())?;
    let part = &layer.weight.as_ref()?.parts()[0];
    let mut shape = names.shape(&part.name).to_vec();
    if let Some((axis, _)) = part.pick
        && axis < shape.len()
    {
        shape.remove(axis);
    }
    match layer.layout {
        Layout::OutIn => shape.get(1).copied(),
        Layout::InOut => shape.first().copied(),
    }
}

/// Hidden layers as wide as what they read may add it: a user's module does as it likes.
fn doubt_residuals(names: &Names<'_>, plan: &mut Plan) {
    let units = plan
        .levels
        .iter_mut()
        .flat_map(|l| &mut l.experts)
        .chain(&mut plan.towers);
    for layer in units
        .flat_map(|u| &mut u.layers)
        .filter(|l| l.open.activation)
    {
        let square = layer.weight.as_ref().is_some_and(|w| {
            let part = &w.parts()[0];
            matches!(names.shape(&part.name), [a, b] if a == b && *a > 1 && part.pick.is_none())
        });
        layer.open.residual = square;
    }
}

/// A batch norm of the input itself, which a user's module calls so.
fn input_norm(names: &Names<'_>, plan: &mut Plan) {
    for name in names.weights.tensors.keys() {
        let Some((root, "running_mean")) = name.split_once('.') else {
            continue;
        };
        let lower = root.to_lowercase();
        let input = ["input", "feat", "in_"].iter().any(|w| lower.contains(w));
        if input && let Ok(Some(norm)) = names.norm(root, USER.epsilon) {
            let layer = LayerPlan {
                open: Open {
                    epsilon: true,
                    ..Open::default()
                },
                before: Some(norm),
                ..LayerPlan::default()
            };
            let name = root.to_owned();
            plan.front = Some(Front {
                layers: vec![layer],
                runs: false,
                open: true,
                name,
            });
            return;
        }
    }
}

/// Modules beside experts, gates and towers whose name says that they embed.
fn before<'a>(names: &Names<'a>) -> impl Iterator<Item = &'a str> {
    let modules = names
        .weights
        .tensors
        .keys()
        .filter_map(|n| Some(&n[..=n.find('.')?]));
    modules.filter(|m| m.to_lowercase().starts_with("emb"))
}
