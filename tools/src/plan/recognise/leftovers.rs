//! Nothing that was learned is dropped: which tensors a plan does not read, and why that may be.

use std::collections::HashSet;

use super::Found;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::TensorRef;

/// What training leaves behind, by words of a name's path, and what it is.
const TRAINING: &[(&[&str], &str)] = &[
    (&["num_batches_tracked"], "counts training steps"),
    (
        &["optimizer", "optimizer_state", "optim"],
        "the optimizer's state",
    ),
    (&["metrics", "metric", "loss_tracker"], "a metric's state"),
    (
        &[
            "log_vars",
            "log_var",
            "log_sigma",
            "log_sigmas",
            "loss_weights",
            "loss_weight",
            "pos_weight",
            "task_weights",
            "loss_scale",
            "criterion",
            "loss_fn",
            "loss",
            "uncertainty_weights",
        ],
        "belongs to the loss",
    ),
    (
        &[
            "n_averaged",
            "decay",
            "global_step",
            "epoch",
            "best_score",
            "best_metric",
        ],
        "counts or sets training",
    ),
    (
        &["w_noise", "noise_linear", "noise_weight", "noise_weights"],
        "makes the noise of a gate in training",
    ),
    (&["seed_generator", "seed_generator_state"], "seeds dropout"),
];

/// What a tensor was to training, where its name says so.
pub(crate) fn of_training(name: &str) -> Option<&'static str> {
    let word = |w: &str| {
        let mut kinds = TRAINING.iter();
        kinds
            .find(|(words, _)| words.contains(&w))
            .map(|(_, why)| *why)
    };
    name.split(['.', '/']).find_map(word)
}

/// Why a tensor that the plan does not read may be left out; `None`: nothing explains it.
pub(crate) fn reason<'a>(name: &str, found: &'a Found, ignored: &[String]) -> Option<&'a str> {
    if found.tables.contains(name) {
        return Some("stands before the model's input");
    }
    if ignored.iter().any(|pattern| matches(pattern, name)) {
        return Some("the spec says `ignore`");
    }
    let dead = found
        .dead
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix.as_str()));
    dead.map(|(_, why)| why.as_str())
        .or_else(|| of_training(name))
}

/// The tensors that no part of a plan reads, with their shapes.
pub(crate) fn unread(weights: &Weights, found: &Found) -> Vec<(String, Vec<usize>)> {
    let used: HashSet<&str> = found
        .plan
        .references()
        .flat_map(TensorRef::parts)
        .map(|p| p.name.as_str())
        .collect();
    let all = weights.tensors.iter();
    all.filter(|(n, _)| !used.contains(n.as_str()))
        .map(|(n, t)| (n.clone(), t.shape.clone()))
        .collect()
}

/// Refuses tensors that take part in nothing; `unused` are those that no part of the plan reads.
pub(crate) fn refuse(
    unused: &[(String, Vec<usize>)],
    found: &Found,
    ignored: &[String],
) -> Result<(), ModelError> {
    let left: Vec<&(String, Vec<usize>)> = unused
        .iter()
        .filter(|(n, _)| reason(n, found, ignored).is_none())
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let has = |name: &str| unused.iter().any(|(n, _)| n == name);
    let table = left.iter().find(|(n, shape)| may_be_table(n, shape, has));
    let table = table.map(|(n, _)| n.clone());
    let left: Vec<String> = (left.iter())
        .map(|(n, shape)| format!("`{n}` {shape:?}"))
        .collect();
    let by_spec = found.framework == Found::SPEC;
    let first: Vec<&str> = left.iter().take(4).map(String::as_str).collect();
    let more = left.len().saturating_sub(first.len());
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Err(ModelError::Leftover {
        framework: (!by_spec).then(|| found.framework.to_owned()),
        tensors: first.join(", ") + &more,
        table,
    })
}

/// Whether a tensor that no layer reads may be an embedding table: a matrix without a bias beside it,
/// where `has` says whether the file has a tensor.
pub(crate) fn may_be_table(name: &str, shape: &[usize], has: impl Fn(&str) -> bool) -> bool {
    let biased = |weight: &str, bias: &str| {
        name.strip_suffix(weight)
            .is_some_and(|start| has(&format!("{start}{bias}")))
    };
    matches!(shape, [rows, _] if *rows > 1)
        && !biased("weight", "bias")
        && !biased("kernel", "bias")
        && !biased("vars/0", "vars/1")
}

/// Whether a name fits a pattern, in which `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, name, fits) in [
            ("wide.weight", "wide.weight", true),
            ("wide.*", "wide.weight", true),
            ("*.aux", "a.b.aux", true),
            ("a.*.c", "a.b.b.c", true),
            ("wide", "wide.weight", false),
            ("*aux", "a.aux.b", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
