//! Gates of a spec.

use toml::Spanned;

use super::expand::{Expander, invalid, missing, slice};
use super::layers;
use super::pattern::Context;
use super::raw;
use crate::error::ModelError;
use crate::plan::{ActivationPlan, GateKindPlan, GatePlan, Level, Unit};

pub(super) fn expand(
    ex: &Expander<'_>,
    raw: &Spanned<raw::Gates>,
    experts: &[Unit],
    before: Option<&Level>,
) -> Result<Vec<GatePlan>, ModelError> {
    let place = ex.spec.place("[gates]", raw.span());
    let group = raw.as_ref();
    let mut gates = Vec::new();
    if group.list.is_empty() {
        let count = match (group.shared, group.count) {
            (Some(true), Some(_)) => {
                return Err(invalid(
                    place,
                    "shared and count",
                    "a shared gate is one for all tasks: leave count out",
                ));
            }
            (Some(true), None) => 1,
            (_, Some(count)) => count,
            (_, None) => ex.tower_tasks().count(),
        };
        self::group(ex, group, count, &place, experts, before, &mut gates)?;
    } else {
        if group.layers.is_some()
            || group.kind.is_some()
            || group.count.is_some()
            || group.shared.is_some()
            || group.sees.is_some()
        {
            return Err(invalid(
                place,
                "keys stand beside `list`",
                "move them into the entries of the list",
            ));
        }
        for entry in &group.list {
            let place = ex.spec.place("[gates] list", entry.span());
            let entry = entry.as_ref();
            if !entry.list.is_empty() || entry.shared.is_some() {
                return Err(invalid(
                    place,
                    "`list` or `shared` inside a list",
                    "write the groups one after the other, with count",
                ));
            }
            self::group(
                ex,
                entry,
                entry.count.unwrap_or(1),
                &place,
                experts,
                before,
                &mut gates,
            )?;
        }
    }
    Ok(gates)
}

fn group(
    ex: &Expander<'_>,
    group: &raw::Gates,
    count: usize,
    place: &str,
    experts: &[Unit],
    before: Option<&Level>,
    gates: &mut Vec<GatePlan>,
) -> Result<(), ModelError> {
    if count == 0 || count > crate::graph::rules::MAX_VALUES {
        return Err(invalid(
            place.into(),
            &format!("count = {count}"),
            "count lies in 1 to 255",
        ));
    }
    let sees = sees(ex, group, experts, place)?;
    let words = group
        .words()
        .or(ex.spec.raw.defaults.as_ref().map(Spanned::as_ref));
    for i in 0..count {
        let index = gates.len();
        let task = ex
            .tower_tasks()
            .nth(index)
            .filter(|_| group.shared != Some(true));
        let context = Context {
            expert: None,
            gate: Some(index),
            task: task.map(|(t, _)| t).or(Some(index)),
            task_name: task.map(|(_, t)| t.name.as_str()),
        };
        let name = task.map_or_else(
            || format!("gate {index}"),
            |(_, t)| format!("gate of `{}`", t.name),
        );
        let (mut plans, mut outer) = (Vec::new(), None);
        for (l, layer) in group.layers.iter().flatten().enumerate() {
            let (plan, named) = layers::expand(
                ex,
                layer,
                &context,
                i,
                count,
                &format!("{name}, layer {l}"),
                &words,
            )?;
            let end = l + 1 == group.layers.iter().flatten().count();
            let mut plan = plan;
            if layer.as_ref().activation.is_none() && layer.as_ref().dice.is_none() && !end {
                ex.fill(&mut plan, &words, false)?;
            }
            if named.as_deref() == Some("softmax") && l + 1 < group.layers.iter().flatten().count()
            {
                return Err(invalid(
                    ex.spec.place(&name, layer.span()),
                    "softmax stands before the last layer",
                    "it turns the last layer's logits into weights",
                ));
            }
            plans.push(plan);
            outer = named;
        }
        let kind = kind(
            group,
            outer.as_deref(),
            plans.last_mut().map(|p| &mut p.activation),
            place,
            i,
            count,
            sees.len(),
        )?;
        if group.layers.is_none() && !matches!(kind, GateKindPlan::Constant(_)) {
            return Err(missing(
                place,
                "layers",
                "layers = [ { weight = \"…\", bias = \"…\", activation = \"softmax\" } ]",
            ));
        }
        let reads = ex.reads(
            group.reads.as_ref(),
            &context,
            i,
            count,
            before,
            Some(index),
            &name,
        )?;
        let temperature = temperature(group, place)?;
        let priors = match &group.priors {
            None => Vec::new(),
            Some(list) => per_gate(list, i, count, sees.len(), "priors", place)?,
        };
        if priors.iter().any(|p| p.is_nan() || *p == f64::INFINITY) {
            return Err(invalid(
                place.into(),
                "a prior is NaN or +∞",
                "a prior is a finite number, or -inf to hide the expert",
            ));
        }
        gates.push(GatePlan {
            unit: Unit {
                name,
                reads,
                slice: slice(group.slice),
                layers: plans,
            },
            kind,
            sees: sees.clone(),
            temperature,
            priors,
            open: !group.open.is_empty(),
        });
    }
    Ok(())
}

/// The experts that the gates of a group see, by index.
fn sees(
    ex: &Expander<'_>,
    group: &raw::Gates,
    experts: &[Unit],
    place: &str,
) -> Result<Vec<usize>, ModelError> {
    let Some(list) = &group.sees else {
        return Ok((0..experts.len()).collect());
    };
    let names = || {
        experts
            .iter()
            .map(|e| format!("`{}`", e.name))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut seen = Vec::new();
    for entry in list {
        let at = ex.spec.place("[gates] sees", entry.span());
        let index = match entry.as_ref() {
            raw::ExpertName::Index(index) => Some(*index)
                .filter(|i| *i < experts.len())
                .ok_or_else(|| format!("expert {index}")),
            raw::ExpertName::Name(name) => experts
                .iter()
                .position(|e| e.name == *name)
                .ok_or_else(|| format!("expert `{name}`")),
        };
        let index = index.map_err(|what| {
            invalid(
                at.clone(),
                &format!("there is no {what}"),
                &format!(
                    "this level has {} experts, counted from 0: {}",
                    experts.len(),
                    names()
                ),
            )
        })?;
        if seen.contains(&index) {
            return Err(invalid(
                at,
                &format!("expert {index} is listed twice"),
                "list each once, in the order of the logits",
            ));
        }
        seen.push(index);
    }
    if seen.is_empty() {
        return Err(invalid(
            place.into(),
            "sees = [] lets the gate see no expert",
            "list at least one, or leave `sees` out for all",
        ));
    }
    Ok(seen)
}

/// What the logits are divided by.
pub(super) fn temperature(group: &raw::Gates, place: &str) -> Result<f64, ModelError> {
    let temperature = group.temperature.unwrap_or(1.0);
    if !temperature.is_finite() || temperature <= 0.0 {
        return Err(invalid(
            place.into(),
            &format!("temperature = {temperature}"),
            "it divides the logits: a number above 0, 1 for none",
        ));
    }
    Ok(temperature)
}

pub(super) fn kind(
    group: &raw::Gates,
    outer: Option<&str>,
    last: Option<&mut ActivationPlan>,
    place: &str,
    i: usize,
    count: usize,
    seen: usize,
) -> Result<GateKindPlan, ModelError> {
    let named = group.kind.as_ref().map(|k| k.as_ref().as_str());
    let k = || {
        group
            .k
            .ok_or_else(|| missing(place, "k", "k = 2 keeps two experts"))
    };
    let kind = match named.or(outer) {
        Some("softmax") => GateKindPlan::Softmax,
        Some("sigmoid") => GateKindPlan::Sigmoid,
        Some("linear") => GateKindPlan::Linear,
        Some("hard") => GateKindPlan::Hard,
        Some("top_k") => {
            let renormalise = group.renormalise.ok_or_else(|| {
                missing(
                    place,
                    "renormalise",
                    "renormalise = true for a softmax over the chosen experts, false for the full \
                     softmax with the others set to 0",
                )
            })?;
            GateKindPlan::TopK {
                k: k()?,
                renormalise,
            }
        }
        Some("dselect_k") => GateKindPlan::DSelectK { k: k()? },
        Some("constant") => {
            let weights = group.weights.as_ref().ok_or_else(|| {
                missing(
                    place,
                    "weights",
                    "weights = [0.5, 0.5], one per expert seen",
                )
            })?;
            GateKindPlan::Constant(per_gate(weights, i, count, seen, "weights", place)?)
        }
        Some(other) => {
            return Err(ModelError::Unsupported {
                place: place.into(),
                what: format!("gate kind `{other}`"),
                remedy: "there are softmax, sigmoid, linear, hard, top_k, dselect_k, constant"
                    .into(),
            });
        }
        None => {
            return Err(missing(
                place,
                "kind",
                "kind = \"softmax\" (or activation = \"softmax\" in the last layer); there are \
                 also sigmoid, linear, hard, top_k, dselect_k, constant",
            ));
        }
    };
    let unused = |key: &str| {
        invalid(
            place.into(),
            &format!("`{key}` does not belong to this kind of gate"),
            "remove it, or correct `kind`",
        )
    };
    if group.k.is_some()
        && !matches!(
            kind,
            GateKindPlan::TopK { .. } | GateKindPlan::DSelectK { .. }
        )
    {
        return Err(unused("k"));
    }
    if group.renormalise.is_some() && !matches!(kind, GateKindPlan::TopK { .. }) {
        return Err(unused("renormalise"));
    }
    if group.weights.is_some() && !matches!(kind, GateKindPlan::Constant(_)) {
        return Err(unused("weights"));
    }
    if matches!(kind, GateKindPlan::Constant(_))
        && (group.layers.is_some() || group.priors.is_some() || group.temperature.is_some())
    {
        return Err(invalid(
            place.into(),
            "a constant gate has weights alone",
            "remove layers, priors and temperature",
        ));
    }
    // The last layer makes logits: its activation is the gate's kind.
    let fits = match (outer, &kind) {
        (Some("softmax"), GateKindPlan::Sigmoid) => false,
        (Some("sigmoid"), kind) => *kind == GateKindPlan::Sigmoid,
        _ => true,
    };
    if !fits {
        return Err(invalid(
            place.into(),
            "`kind` and the last layer's activation differ",
            "write one of them",
        ));
    }
    if let Some(last) = last {
        if *last == ActivationPlan::Sigmoid {
            *last = ActivationPlan::Linear;
        }
        if *last != ActivationPlan::Linear {
            return Err(ModelError::Unsupported {
                place: place.into(),
                what: "this activation in the last layer of a gate".into(),
                remedy: "the last layer makes logits; its activation is softmax or sigmoid".into(),
            });
        }
    }
    Ok(kind)
}

/// The numbers of gate `i` of `count`: one list for all, or a list of lists.
fn per_gate(
    list: &[raw::PerGate],
    i: usize,
    count: usize,
    seen: usize,
    key: &str,
    place: &str,
) -> Result<Vec<f64>, ModelError> {
    let flat: Option<Vec<f64>> = list
        .iter()
        .map(|p| {
            if let raw::PerGate::Number(n) = p {
                Some(*n)
            } else {
                None
            }
        })
        .collect();
    let numbers = match flat {
        Some(flat) => flat,
        None => match list.get(i) {
            Some(raw::PerGate::List(own)) if list.len() == count => own.clone(),
            _ => {
                return Err(invalid(
                    place.into(),
                    &format!(
                        "`{key}` is neither a list of numbers nor one list per gate ({count} \
                         gates)"
                    ),
                    "write [0.0, -inf] for all gates alike, or [[0.0, -inf], [0.0, 0.0]]",
                ));
            }
        },
    };
    if numbers.len() != seen {
        return Err(invalid(
            place.into(),
            &format!(
                "`{key}` has {} numbers for {seen} experts seen",
                numbers.len()
            ),
            "give one per expert, in the order of `sees`",
        ));
    }
    Ok(numbers)
}
