//! Finds the model's tensors in a file: the state dict among all that a checkpoint holds.
//!
//! There is no standard for checkpoints; every training script puts the state dict somewhere else. So
//! every container of the pickle is looked at once. Those that hold tensors are candidates, and their
//! keys tell a model's from an optimizer's and from an averaged copy. Taking the wrong one would make a
//! model that converts and is wrong, so what the keys do not tell is refused.

use std::collections::{HashSet, VecDeque};

use super::super::collect::Budget;
use super::super::names::list;
use super::super::pickle::{Id, Object, Unpickled, Value};
use super::super::{Module, Reason};
use super::{modules, notes};

/// Keys under which checkpoints keep the model's state dict, the more usual first.
const USUAL_KEYS: [&str; 12] = [
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "model_weights",
    "params",
    "parameters",
    "state",
];

/// Words in the keys of what only training needs.
const TRAINING: [&str; 13] = [
    "optimizer",
    "optimizers",
    "optim",
    "opt",
    "scheduler",
    "schedulers",
    "sched",
    "scaler",
    "callbacks",
    "loops",
    "rng",
    "amp",
    "momentum",
];

/// Words in the keys of averaged copies of a model.
pub(in crate::import) const AVERAGED: [&str; 7] = [
    "ema", "swa", "average", "averaged", "avg", "shadow", "teacher",
];

/// How deep containers may be nested. Real checkpoints stay far below it; a hostile file must not
/// exhaust the stack.
const DEEPEST: usize = 10;

/// The tensors of a model.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Name, and the object that is a tensor.
    pub(super) tensors: Vec<(String, Id)>,
    /// See [`super::super::Weights::modules`].
    pub(super) modules: Vec<(String, Module)>,
    /// Whether they came from a whole model.
    pub(super) whole: bool,
}

/// What a container of tensors is for, by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Model,
    Averaged,
    Training,
}

/// A container that holds tensors.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) id: Id,
    /// The keys that lead to it.
    pub(super) path: Vec<Key>,
    pub(super) role: Role,
    /// How many tensors it holds, and whether all of them are single numbers.
    tensors: usize,
    pub(super) scalars: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Name(String),
    Index(usize),
}

impl Key {
    pub(super) fn name(&self) -> String {
        match self {
            Key::Name(name) => name.clone(),
            Key::Index(i) => i.to_string(),
        }
    }

    /// As Python spells the look-up.
    fn subscript(&self) -> String {
        match self {
            Key::Name(name) => format!("[\"{name}\"]"),
            Key::Index(i) => format!("[{i}]"),
        }
    }
}

impl Candidate {
    pub(super) fn name(&self) -> String {
        let names: Vec<String> = self.path.iter().map(Key::name).collect();
        names.join(".")
    }

    pub(super) fn subscript(&self) -> String {
        self.path.iter().map(Key::subscript).collect()
    }

    fn last(&self) -> Option<String> {
        self.path.last().map(|key| key.name().to_lowercase())
    }
}

/// Finds the model's tensors, and notes what was taken and what was left.
pub(super) fn find(
    objects: &Unpickled<'_>,
    budget: &mut Budget,
    notes: &mut Vec<String>,
) -> Result<Found, Reason> {
    let mut finder = Finder {
        objects,
        budget,
        candidates: Vec::new(),
    };
    finder.walk()?;
    let candidates = finder.candidates;
    let chosen = choose(objects, &candidates)?;
    let mut found = Found::default();
    let shared = shared_path(&chosen);
    for candidate in &chosen {
        let own = Candidate {
            path: candidate.path[shared..].to_vec(),
            ..(*candidate).clone()
        };
        let prefix = match own.name() {
            name if name.is_empty() => name,
            name => name + ".",
        };
        take(objects, candidate.id, &prefix, &mut found, budget, notes)?;
    }
    notes::choice(objects, &candidates, &chosen, notes);
    notes::unknown(objects, notes);
    Ok(found)
}

struct Finder<'f, 'p> {
    objects: &'f Unpickled<'p>,
    budget: &'f mut Budget,
    candidates: Vec<Candidate>,
}

impl Finder<'_, '_> {
    /// Looks at every container, those nearest to the root first.
    fn walk(&mut self) -> Result<(), Reason> {
        let mut seen = HashSet::from([self.objects.root]);
        let mut queue = VecDeque::from([(self.objects.root, Vec::new(), Role::Model)]);
        while let Some((id, path, role)) = queue.pop_front() {
            if let Some(tensors) = modules::count(self.objects, id) {
                self.add(id, path, role, tensors, false);
                continue;
            }
            let role = if self.is_optimizer(id) {
                Role::Training
            } else {
                role
            };
            let (mut tensors, mut scalars) = (0, true);
            for (key, value) in children(self.objects, id) {
                match self.objects.get(value) {
                    Value::Tensor(tensor) => {
                        tensors += 1;
                        scalars &= tensor.shape.is_empty();
                    }
                    Value::Odd(_) => (tensors, scalars) = (tensors + 1, false),
                    Value::Dict(_) | Value::List(_) | Value::Tuple(_) | Value::Object(_)
                        if path.len() < DEEPEST && seen.insert(value) =>
                    {
                        let Some(key) = key else { continue };
                        let role = role.max(role_of(&key));
                        let mut path: Vec<Key> = path.clone();
                        let long: usize = path.iter().map(|k| k.name().len() + 64).sum();
                        self.budget.take(long as u64 + 256, "its pickle")?;
                        path.push(key);
                        queue.push_back((value, path, role));
                    }
                    _ => {}
                }
            }
            if tensors > 0 {
                self.add(id, path, role, tensors, scalars);
            }
        }
        Ok(())
    }

    fn add(&mut self, id: Id, path: Vec<Key>, role: Role, tensors: usize, scalars: bool) {
        self.candidates.push(Candidate {
            id,
            path,
            role,
            tensors,
            scalars,
        });
    }

    /// An optimizer's state dict, whatever its key.
    fn is_optimizer(&self, id: Id) -> bool {
        let has = |key| self.objects.entry(id, key).is_some();
        has("param_groups") && has("state")
    }
}

/// What a container holds: keys are `None` where they are neither text nor numbers.
pub(super) fn children<'o>(
    objects: &'o Unpickled<'_>,
    id: Id,
) -> Box<dyn Iterator<Item = (Option<Key>, Id)> + 'o> {
    let named = |items: &'o [(Id, Id)]| {
        items.iter().map(|&(key, value)| {
            let key = match objects.get(key) {
                Value::Int(n) => Some(Key::Name(n.to_string())),
                _ => objects.text(key).map(|text| Key::Name(text.to_owned())),
            };
            (key, value)
        })
    };
    let listed = |items: &'o [Id]| {
        let items = items.iter().enumerate();
        items.map(|(i, &value)| (Some(Key::Index(i)), value))
    };
    match objects.get(id) {
        Value::Dict(items) => Box::new(named(items)),
        Value::List(items) => Box::new(listed(items)),
        Value::Tuple(items) => Box::new(listed(items)),
        Value::Object(object) => {
            let attributes = objects.attributes(object);
            let attributes = attributes.and_then(|id| objects.items(id)).unwrap_or(&[]);
            Box::new(
                named(&object.items)
                    .chain(listed(&object.list))
                    .chain(named(attributes)),
            )
        }
        _ => Box::new(std::iter::empty()),
    }
}

fn role_of(key: &Key) -> Role {
    let Key::Name(name) = key else {
        return Role::Model;
    };
    let name = name.to_lowercase();
    let has = |words: &[&str]| {
        name.split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| words.contains(&word))
    };
    if has(&TRAINING) || name.contains("optimizer") || name.contains("scheduler") {
        Role::Training
    } else if has(&AVERAGED) {
        Role::Averaged
    } else {
        Role::Model
    }
}

/// The candidates that make the model: one, or several that are parts of it.
fn choose<'c>(
    objects: &Unpickled<'_>,
    candidates: &'c [Candidate],
) -> Result<Vec<&'c Candidate>, Reason> {
    let of = |role: Role, scalars: bool| -> Vec<&Candidate> {
        let fits = |c: &&Candidate| c.role == role && (scalars || !c.scalars);
        candidates.iter().filter(fits).collect()
    };
    let pool = [
        of(Role::Model, false),
        of(Role::Averaged, false),
        of(Role::Model, true),
    ];
    let Some(pool) = pool.into_iter().find(|pool| !pool.is_empty()) else {
        return Err(nothing(objects, candidates));
    };
    // Tensors that stand at the root may be a model's, or a metric's beside it.
    let at_root = pool.iter().find(|c| c.path.is_empty());
    let at_root = at_root.map_or(0, |c| c.tensors);
    for key in USUAL_KEYS {
        let named = pool.iter().filter(|c| c.last().as_deref() == Some(key));
        let named: Vec<&Candidate> = named.copied().collect();
        let Some(depth) = named.iter().map(|c| c.path.len()).min() else {
            continue;
        };
        let mut nearest = named.into_iter().filter(|c| c.path.len() == depth);
        if let (Some(only), None) = (nearest.next(), nearest.next())
            && only.tensors >= at_root
        {
            return Ok(vec![only]);
        }
    }
    let mut kinds: Vec<_> = pool.iter().map(|c| signature(objects, c.id)).collect();
    kinds.dedup();
    if pool.len() > 1 && kinds.len() == 1 {
        return Err(Reason::Ambiguous {
            keys: pool.iter().map(|c| c.name()).collect(),
            first: pool[0].subscript(),
        });
    }
    Ok(pool)
}

/// The names and shapes of a candidate's tensors: copies of one model have the same.
fn signature<'o>(objects: &'o Unpickled<'_>, id: Id) -> Vec<(String, &'o [usize])> {
    let tensors = children(objects, id).filter_map(|(key, value)| match objects.get(value) {
        Value::Tensor(tensor) => Some((key?.name(), tensor.shape.as_slice())),
        _ => None,
    });
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort();
    tensors
}

/// Why a file holds no model.
fn nothing(objects: &Unpickled<'_>, candidates: &[Candidate]) -> Reason {
    let found = match objects.get(objects.root) {
        _ if !candidates.is_empty() => {
            "nothing but what training needs (an optimizer's state); save the model's state dict"
                .to_owned()
        }
        Value::Tensor(_) | Value::Odd(_) => {
            "a single tensor without a name; save the model's state dict".to_owned()
        }
        _ => match notes::unknown_classes(objects).next() {
            Some((module, name)) => {
                return Reason::ForbiddenGlobal {
                    global: format!("{module:.100}.{name:.100}"),
                };
            }
            None => match objects.items(objects.root) {
                Some(items) => {
                    let keys = items.iter().filter_map(|(key, _)| objects.text(*key));
                    let keys: Vec<&str> = keys.take(notes::NAMED).collect();
                    let keys = keys.join(", ");
                    format!("a dictionary without tensors (its keys: {keys:.200})")
                }
                None => "no dictionary of tensors; save the model's state dict".to_owned(),
            },
        },
    };
    Reason::NoTensors { found }
}

/// How many keys all of several paths begin with.
fn shared_path(chosen: &[&Candidate]) -> usize {
    let Some((first, others)) = chosen.split_first() else {
        return 0;
    };
    let shared = |other: &&&Candidate| {
        let pairs = first.path.iter().zip(&other.path);
        pairs.take_while(|(a, b)| a == b).count()
    };
    let shortest = others.iter().map(|other| shared(&other)).min();
    shortest.unwrap_or(first.path.len())
}

/// Takes the tensors of one candidate.
fn take(
    objects: &Unpickled<'_>,
    id: Id,
    prefix: &str,
    found: &mut Found,
    budget: &mut Budget,
    notes: &mut Vec<String>,
) -> Result<(), Reason> {
    if modules::count(objects, id).is_some() {
        return modules::take(objects, id, prefix, found, budget);
    }
    let mut others = Vec::new();
    for (key, value) in children(objects, id) {
        let Some(key) = key else { continue };
        budget.take(prefix.len() as u64 + 64, "its list of tensors")?;
        let name = format!("{prefix}{}", key.name());
        match objects.get(value) {
            Value::Tensor(_) => found.tensors.push((name, value)),
            Value::Odd(odd) => {
                return Err(odd.refuse(name));
            }
            other => {
                modules::refuse_hidden(objects, other, &name)?;
                others.push(name);
            }
        }
    }
    if !others.is_empty() {
        notes.push(format!(
            "left out, as no tensors: {}",
            list(notes::NAMED, &others)
        ));
    }
    Ok(())
}

/// Attributes of an object, for those who look into it.
pub(super) fn attribute(objects: &Unpickled<'_>, object: &Object<'_>, name: &str) -> Option<Id> {
    objects.entry(objects.attributes(object)?, name)
}
