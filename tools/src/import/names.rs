//! Taking the wrappers off tensors' names: `module.` of a parallel model, `_orig_mod.` of a
//! compiled one, and what else stands in front of a model's own names.

use indexmap::IndexMap;

use super::Tensor;
use super::torch::AVERAGED;

/// Modules that torch puts around others, anywhere in a model. They hold no tensors of their own.
const WRAPPERS: [&str; 6] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_fpw_module",
];

/// Attributes under which a training class keeps its model: they are taken off where all names
/// share them.
const HOLDERS: [&str; 3] = ["model", "net", "network"];

/// Words of what a training class keeps beside its model: losses, metrics, and the counters of an
/// averaged copy.
const BESIDE: [&str; 14] = [
    "criterion",
    "loss",
    "losses",
    "metric",
    "metrics",
    "auc",
    "auroc",
    "acc",
    "accuracy",
    "decay",
    "averaged",
    "updates",
    "optimizer",
    "scheduler",
];

/// One thing that was done to the names.
#[derive(Debug)]
enum Step {
    /// This much was taken off all names.
    Prefix(String),
    /// This segment was taken out wherever it stood.
    Segment(&'static str),
}

/// What was done to the names of tensors, so that it can be done to the paths of modules too.
#[derive(Debug, Default)]
pub(super) struct Unwrapped(Vec<Step>);

impl Unwrapped {
    /// The path of a module, its wrappers taken off; `None` for a wrapper itself.
    pub(super) fn path(&self, path: &str) -> Option<String> {
        let mut path = path.to_owned();
        for step in &self.0 {
            path = match step {
                Step::Prefix(prefix) => match path.strip_prefix(prefix.as_str()) {
                    Some(rest) => rest.to_owned(),
                    None => return None,
                },
                Step::Segment(segment) if path.rsplit('.').next() == Some(segment) => return None,
                Step::Segment(segment) => without(&path, segment),
            };
        }
        Some(path)
    }
}

/// Takes the wrappers off the names of all tensors, and notes what it did.
pub(super) fn unwrap(tensors: &mut IndexMap<String, Tensor>, notes: &mut Vec<String>) -> Unwrapped {
    let mut done = Unwrapped::default();
    leave_out_copies(tensors, notes);
    leave_out_beside(tensors, notes);
    prefixes(tensors, &mut done, notes);
    attribute(tensors, &mut done, notes);
    for segment in WRAPPERS {
        let count = tensors.keys().filter(|k| stands_in(k, segment)).count();
        if count == 0 || !rename(tensors, |name| without(name, segment)) {
            continue;
        }
        notes.push(format!(
            "took the wrapper `{segment}.` out of {count} of {} tensor names",
            tensors.len()
        ));
        done.0.push(Step::Segment(segment));
        prefixes(tensors, &mut done, notes);
    }
    done
}

/// Leaves out an averaged copy (EMA or SWA) that a training class keeps under an attribute of its own
/// beside the model: each tensor of the model has its twin there. Some classes take the dots out of
/// the copies' names.
fn leave_out_copies(tensors: &mut IndexMap<String, Tensor>, notes: &mut Vec<String>) {
    let averages = |first: &str| {
        let lower = first.to_lowercase();
        lower.split('_').any(|word| AVERAGED.contains(&word))
    };
    let own = |name: &str| -> String {
        let parts = name.split('.').filter(|s| !WRAPPERS.contains(s));
        parts.collect()
    };
    let firsts: indexmap::IndexSet<&str> = tensors
        .keys()
        .filter_map(|name| Some(name.split_once('.')?.0))
        .collect();
    let (copies, models): (Vec<&str>, Vec<&str>) = firsts.into_iter().partition(|f| averages(f));
    // What stands under a first word, by name; floats alone, since counters are copied or not.
    let below = |first: &str| -> indexmap::IndexSet<(String, &[usize])> {
        let all = tensors.iter().filter_map(|(name, t)| {
            let (f, rest) = name.split_once('.')?;
            let float = !rest.ends_with("num_batches_tracked");
            (f == first && float).then(|| (own(rest), t.shape.as_slice()))
        });
        all.collect()
    };
    let twin = copies.iter().find_map(|copy| {
        let theirs = below(copy);
        let of = models.iter().find(|model| {
            let ours = below(model);
            !ours.is_empty() && ours.is_subset(&theirs)
        });
        Some(((*copy).to_owned(), (*of?).to_owned()))
    });
    let Some((copy, model)) = twin else { return };
    notes.push(format!(
        "took the model's own weights under `{model}.`, not the averaged copy under `{copy}.`; for \
         that one, keep the names that begin with `{copy}.` alone and take that off them"
    ));
    let prefix = format!("{copy}.");
    tensors.retain(|name, _| !name.starts_with(&prefix));
}

/// Leaves out what stands beside a model that has a wrapper to itself, if it is all of training's:
/// `criterion.pos_weight` beside `model.…`, `n_averaged` beside `module.…`.
fn leave_out_beside(tensors: &mut IndexMap<String, Tensor>, notes: &mut Vec<String>) {
    let is_beside = |name: &String| {
        let first = name.split('.').next().unwrap_or_default().to_lowercase();
        first.split('_').any(|word| BESIDE.contains(&word))
    };
    let mut others = tensors.keys().filter(|name| !is_beside(name));
    let Some(first) = others.next().and_then(|name| Some(name.split_once('.')?.0)) else {
        return;
    };
    let is_wrapper = WRAPPERS.iter().chain(&HOLDERS).any(|w| *w == first);
    let within = |name: &String| name.split_once('.').is_some_and(|(f, _)| f == first);
    if !is_wrapper || !others.all(within) {
        return;
    }
    let beside: Vec<String> = tensors
        .keys()
        .filter(|n| is_beside(n))
        .map(|n| format!("`{n}`"))
        .collect();
    if beside.is_empty() {
        return;
    }
    notes.push(format!(
        "left out, as training's, beside `{first}.`: {}",
        list(6, &beside)
    ));
    if beside.iter().any(|name| name == "`n_averaged`") {
        notes.push(
            "these are an averaged copy (torch's AveragedModel): the file has no other".to_owned(),
        );
    }
    tensors.retain(|name, _| !is_beside(name));
}

/// Takes off the wrappers that all names begin with.
fn prefixes(tensors: &mut IndexMap<String, Tensor>, done: &mut Unwrapped, notes: &mut Vec<String>) {
    let mut taken = String::new();
    while let Some(prefix) = WRAPPERS.iter().chain(&HOLDERS).find_map(|segment| {
        let prefix = format!("{segment}.");
        let shared = |k: &String| k.len() > prefix.len() && k.starts_with(&prefix);
        (!tensors.is_empty() && tensors.keys().all(shared)).then_some(prefix)
    }) {
        rename(tensors, |name| name[prefix.len()..].to_owned());
        taken.push_str(&prefix);
    }
    if !taken.is_empty() {
        notes.push(format!(
            "took the common prefix `{taken}` off all tensor names"
        ));
        done.0.push(Step::Prefix(taken));
    }
}

/// Takes off an attribute of any name that holds a whole mixture: experts and gates or towers stand
/// below it, and nothing beside it.
fn attribute(
    tensors: &mut IndexMap<String, Tensor>,
    done: &mut Unwrapped,
    notes: &mut Vec<String>,
) {
    let Some(first) = tensors
        .keys()
        .next()
        .and_then(|name| Some(name.split_once('.')?.0))
    else {
        return;
    };
    let prefix = format!("{first}.");
    let below: Option<Vec<&str>> = tensors
        .keys()
        .map(|name| Some(name.strip_prefix(&prefix)?.split_once('.')?.0))
        .collect();
    let Some(below) = below else { return };
    let whole = |words: &[&str]| below.iter().any(|b| words.contains(b));
    if whole(&["experts", "expert"])
        && whole(&["gates", "gate"])
        && whole(&["towers", "tower", "heads"])
    {
        rename(tensors, |name| name[prefix.len()..].to_owned());
        notes.push(format!(
            "took the common prefix `{prefix}` off all tensor names"
        ));
        done.0.push(Step::Prefix(prefix));
    }
}

/// Whether a segment of a name, less the last, is this one.
fn stands_in(name: &str, segment: &str) -> bool {
    name.rsplit('.').skip(1).any(|s| s == segment)
}

/// A name without this segment, unless it is the last.
fn without(name: &str, segment: &str) -> String {
    let Some((path, last)) = name.rsplit_once('.') else {
        return name.to_owned();
    };
    let mut out: String = path
        .split('.')
        .filter(|s| *s != segment)
        .flat_map(|s| [s, "."])
        .collect();
    out.push_str(last);
    out
}

/// Renames all tensors, unless two of them would have the same name; says whether it did.
fn rename(tensors: &mut IndexMap<String, Tensor>, to: impl Fn(&str) -> String) -> bool {
    let names: indexmap::IndexSet<String> = tensors.keys().map(|name| to(name)).collect();
    if names.len() != tensors.len() {
        return false;
    }
    *tensors = names
        .into_iter()
        .zip(std::mem::take(tensors).into_values())
        .collect();
    true
}

/// Names for a message, the first `most` of them.
pub(super) fn list(most: usize, names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(most)
        .map(|n| format!("{n:.80}"))
        .collect();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
