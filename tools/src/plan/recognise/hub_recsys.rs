//! The TF2 layer of the article on MMoE (hub-recsys): one `Dense` per expert and per gate inside
//! one layer.

use indexmap::IndexMap;

use super::Found;
use super::keras::{Group, Mixture, by_order, groups};
use super::names::{Names, softmax_gate, unit};
use crate::error::ModelError;
use crate::graph::rules::MAX_VALUES;
use crate::import::Weights;
use crate::plan::{ActivationPlan, Level};

pub(super) const NAME: &str = "the TF2 MMoE layer (hub-recsys)";

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: NAME,
    };
    mixture(&names, None).map(|m| by_order(&names, m))
}

/// The mixture under a path, or anywhere.
pub(super) fn mixture(names: &Names<'_>, at: Option<&str>) -> Option<Mixture> {
    let groups = groups(names);
    let (path, experts, gates) = parts(&groups, at)?;
    let sees: Vec<usize> = (0..experts.len()).collect();
    let mut level = Level::default();
    for (i, group) in experts.iter().enumerate() {
        let layers = vec![group.layer(ActivationPlan::Linear)];
        level.experts.push(unit(format!("expert {i}"), layers));
    }
    for (t, group) in gates.iter().enumerate() {
        let layers = vec![group.layer(ActivationPlan::Linear)];
        level.gates.push(softmax_gate(
            unit(format!("gate {t}"), layers),
            sees.clone(),
        ));
    }
    let [inputs, units] = experts.first()?.shape;
    Some(Mixture {
        level,
        path,
        inputs,
        units,
    })
}

/// Path, experts and gates.
pub(super) fn parts<'g>(groups: &'g [Group], at: Option<&str>) -> Option<Parts<'g>> {
    by_name(groups, at).or_else(|| by_shape(groups, at))
}

pub(super) type Parts<'a> = (String, Vec<&'a Group>, Vec<&'a Group>);

/// Keras 3 and `.weights.h5`: the layer's two lists are groups of their own.
fn by_name<'g>(groups: &'g [Group], at: Option<&str>) -> Option<Parts<'g>> {
    let path = groups
        .iter()
        .filter_map(|g| g.parent().strip_suffix("/expert_layers"))
        .find(|p| at.is_none_or(|at| at == *p))?;
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
fn by_shape<'g>(groups: &'g [Group], at: Option<&str>) -> Option<Parts<'g>> {
    let mut inside: IndexMap<&str, Vec<&Group>> = IndexMap::new();
    // `layers` holds the whole model, and an inner `layers` an inner model's.
    let layer = |g: &&Group| {
        let parent = g.parent();
        !parent.is_empty() && parent != "layers" && !parent.ends_with("/layers")
    };
    for group in groups
        .iter()
        .filter(layer)
        .filter(|g| at.is_none_or(|at| at == g.parent()))
    {
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
