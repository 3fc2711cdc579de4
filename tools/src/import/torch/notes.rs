//! What a person is told of the search for the model's tensors.

use std::collections::HashSet;

use super::super::names::list;
use super::super::pickle::{Class, Unpickled, Value};
use super::find::{Candidate, Role, children};
use super::modules;

/// A note names this many keys at most.
pub(super) const NAMED: usize = 12;

/// Says which candidates were taken, and what stands beside them.
pub(super) fn choice(
    objects: &Unpickled<'_>,
    candidates: &[Candidate],
    chosen: &[&Candidate],
    notes: &mut Vec<String>,
) {
    let is_chosen = |c: &Candidate| chosen.iter().any(|taken| taken.id == c.id);
    if let [only] = chosen
        && !only.path.is_empty()
    {
        let mut others = Vec::new();
        let mut at = objects.root;
        for step in &only.path {
            let mut inner = None;
            for (key, value) in children(objects, at) {
                match key {
                    Some(key) if key == *step => inner = Some(value),
                    Some(key) => others.push(key.name()),
                    None => {}
                }
            }
            let Some(inner) = inner else { break };
            at = inner;
        }
        let mut note = format!("took the state dict under `{}`", only.name());
        if !others.is_empty() {
            note.push_str(&format!("; left out beside it: {}", list(NAMED, &others)));
        }
        notes.insert(0, note);
    } else if chosen.len() > 1 {
        let names: Vec<String> = chosen.iter().map(|c| format!("`{}`", c.name())).collect();
        notes.insert(
            0,
            format!(
                "joined {} dictionaries of tensors into one, each under its own key: {}",
                chosen.len(),
                list(NAMED, &names)
            ),
        );
    }
    let averaged: Vec<&Candidate> = candidates
        .iter()
        .filter(|c| c.role == Role::Averaged && !c.scalars)
        .collect();
    match (chosen, &averaged[..]) {
        (_, []) => {}
        ([first, ..], _) if first.role == Role::Averaged => notes.push(
            "these are an averaged copy (EMA or SWA) of the model: the file has no other"
                .to_owned(),
        ),
        (_, [copy, ..]) if !is_chosen(copy) => notes.push(format!(
            "took the model's own weights, not the averaged copy under `{}`; for that one, in \
             Python: torch.save(torch.load(\"FILE\"){}, \"model.pt\")",
            copy.name(),
            copy.subscript()
        )),
        _ => {}
    }
}

/// The classes that mean nothing to us, each once: of objects that are no modules, and on their own.
/// Functions of torch's that a module calls are no news.
pub(super) fn unknown_classes<'o>(
    objects: &'o Unpickled<'_>,
) -> impl Iterator<Item = (&'o str, &'o str)> + 'o {
    let mut seen = HashSet::new();
    objects
        .all()
        .filter_map(|value| match value {
            Value::Object(object) if modules::is_module(objects, object) => None,
            Value::Object(object) => Some((object.module, object.name)),
            Value::Class(Class::Unknown { module, name }) => Some((*module, *name)),
            _ => None,
        })
        .filter(move |class| seen.insert(*class))
}

/// Says what was asked for beside tensors: an object that is not executed is no danger, but its
/// owner may want to know of it.
pub(super) fn unknown(objects: &Unpickled<'_>, notes: &mut Vec<String>) {
    let modules: HashSet<(&str, &str)> = objects
        .all()
        .filter_map(|value| match value {
            Value::Object(object) if modules::is_module(objects, object) => {
                Some((object.module, object.name))
            }
            _ => None,
        })
        .collect();
    let is_torch = |module: &str| module == "torch" || module.starts_with("torch.");
    let names: Vec<String> = unknown_classes(objects)
        .filter(|class| !modules.contains(class) && !is_torch(class.0))
        .map(|(module, name)| format!("`{module:.100}.{name:.100}`"))
        .collect();
    if !names.is_empty() {
        notes.push(format!(
            "skipped objects that are no tensors, without executing anything: {}",
            list(NAMED, &names)
        ));
    }
}
