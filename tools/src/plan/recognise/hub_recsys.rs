//! The TF2 layer of the article on MMoE (hub-recsys): one `Dense` per expert and per gate inside
//! one layer.

use indexmap::IndexMap;

use super::Found;
use super::keras::{Group, Mixture, complete, groups};
use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::graph::rules::MAX_VALUES;
use crate::import::Weights;
use crate::plan::{ActivationPlan, Level};

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "the TF2 MMoE layer (hub-recsys)",
    };
    let groups = groups(&names);
    let (path, experts, gates) = by_name(&groups).or_else(|| by_shape(&groups))?;
    let sees: Vec<usize> = (0..experts.len()).collect();
    let mut level = Level::default();
    for (i, group) in experts.iter().enumerate() {
        level.experts.push(unit(
            format!("expert {i}"),
            vec![group.layer(ActivationPlan::Linear)],
        ));
    }
    for (t, group) in gates.iter().enumerate() {
        level.gates.push(softmax_gate(
            unit(
                format!("gate {t}"),
                vec![group.layer(ActivationPlan::Linear)],
            ),
            sees.clone(),
        ));
    }
    let name = weights
        .layer_names
        .get(&path)
        .cloned()
        .unwrap_or_else(|| path.split('/').next().unwrap_or(&path).to_owned());
    let units = experts.first()?.shape[1];
    let mixture = Mixture {
        level,
        path,
        name,
        units,
    };
    Some(complete(&names, mixture, &groups))
}

type Parts<'a> = (String, Vec<&'a Group>, Vec<&'a Group>);

/// Keras 3 and `.weights.h5`: the layer's two lists are groups of their own.
fn by_name(groups: &[Group]) -> Option<Parts<'_>> {
    let path = groups
        .iter()
        .find_map(|g| g.parent().strip_suffix("/expert_layers"))?;
    let under = |list: &str| -> Vec<&Group> {
        groups
            .iter()
            .filter(|g| g.parent() == format!("{path}/{list}"))
            .collect()
    };
    let (experts, gates) = (under("expert_layers"), under("gate_layers"));
    (!gates.is_empty() && fits(&experts, &gates)).then(|| (path.to_owned(), experts, gates))
}

/// Keras 2: dense layers in one layer, experts before gates in the order of their creation.
fn by_shape(groups: &[Group]) -> Option<Parts<'_>> {
    let mut inside: IndexMap<&str, Vec<&Group>> = IndexMap::new();
    for group in groups.iter().filter(|g| !g.parent().is_empty()) {
        inside.entry(group.parent()).or_default().push(group);
    }
    inside
        .into_iter()
        .filter(|(_, all)| all.len() <= MAX_VALUES)
        .find_map(|(parent, all)| {
            (2..all.len()).find_map(|count| {
                let (experts, gates) = all.split_at(count);
                fits(experts, gates).then(|| (parent.to_owned(), experts.to_vec(), gates.to_vec()))
            })
        })
}

/// Experts alike, and gates on the same input with one output per expert.
fn fits(experts: &[&Group], gates: &[&Group]) -> bool {
    let Some(shape) = experts.first().map(|g| g.shape) else {
        return false;
    };
    experts.iter().all(|g| g.shape == shape)
        && gates.iter().all(|g| g.shape == [shape[0], experts.len()])
}
