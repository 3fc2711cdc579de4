//! Whole models in a pickle, walked without making them: what `model.state_dict()` would give, and
//! the class of each module.

use indexmap::IndexMap;

use super::super::collect::Budget;
use super::super::pickle::{Class, Id, Object, SHARDED, Unpickled, Value};
use super::super::{Module, Reason};
use super::find::{Found, attribute};

/// Modules stand in modules no deeper than this.
const DEEPEST: usize = 64;

/// An object that hides tensors shows one among this many entries.
const LOOK_AT: usize = 32;

/// The package in which TorchScript puts the classes of a model, and that of its own types.
const SCRIPT: &str = "__torch__";
const SCRIPT_TYPES: &str = "__torch__.torch.classes";

/// How a module keeps what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `_parameters`, `_buffers` and `_modules`.
    Python,
    /// One attribute each.
    Script,
}

fn kind(objects: &Unpickled<'_>, object: &Object<'_>) -> Option<Kind> {
    let script = object.module == SCRIPT
        || object.module.starts_with(SCRIPT) && object.module[SCRIPT.len()..].starts_with('.');
    if script && !object.module.starts_with(SCRIPT_TYPES) {
        return Some(Kind::Script);
    }
    let has = |name| attribute(objects, object, name).is_some();
    (has("_parameters") && has("_modules")).then_some(Kind::Python)
}

pub(super) fn is_module(objects: &Unpickled<'_>, object: &Object<'_>) -> bool {
    kind(objects, object).is_some()
}

/// Whether an object is a module; a number of its tensors that compares with a state dict's.
pub(super) fn count(objects: &Unpickled<'_>, id: Id) -> Option<usize> {
    match objects.get(id) {
        Value::Object(object) if is_module(objects, object) => Some(usize::MAX),
        _ => None,
    }
}

/// Takes the tensors of a module and of the modules in it, in the order of its state dict.
pub(super) fn take(
    objects: &Unpickled<'_>,
    id: Id,
    prefix: &str,
    found: &mut Found,
    budget: &mut Budget,
) -> Result<(), Reason> {
    found.whole = true;
    let mut stack = vec![(id, prefix.to_owned(), 0)];
    while let Some((id, path, depth)) = stack.pop() {
        let Value::Object(object) = objects.get(id) else {
            continue;
        };
        let Some(kind) = kind(objects, object) else {
            refuse_hidden(objects, objects.get(id), path.trim_end_matches('.'))?;
            continue;
        };
        // A module may stand in many places, in each of which it is walked.
        budget.take(path.len() as u64 * 2 + 512, "its list of modules")?;
        if depth > DEEPEST {
            return Err(Reason::damaged(
                "PyTorch",
                format_args!("its modules nest without end: {path:.80}…"),
            ));
        }
        let attributes = objects.attributes(object);
        let attributes = attributes.and_then(|id| objects.items(id)).unwrap_or(&[]);
        let mut inner = Vec::new();
        let mut settings = IndexMap::new();
        let mut tensor = |name: &str, value: Id, budget: &mut Budget| {
            let name = format!("{path}{name}");
            budget.take(name.len() as u64 + 64, "its list of tensors")?;
            match objects.get(value) {
                Value::Tensor(_) => found.tensors.push((name, value)),
                Value::Odd(odd) => return Err(odd.refuse(name)),
                _ => {}
            }
            Ok(())
        };
        let named = |dict: Option<Id>| dict.and_then(|id| objects.items(id)).unwrap_or(&[]);
        if kind == Kind::Python {
            for &(key, value) in named(attribute(objects, object, "_parameters")) {
                tensor(objects.text(key).unwrap_or_default(), value, budget)?;
            }
            let hidden = attribute(objects, object, "_non_persistent_buffers_set");
            let hidden: &[Id] = match hidden.map(|id| objects.get(id)) {
                Some(Value::List(names)) => names,
                _ => &[],
            };
            for &(key, value) in named(attribute(objects, object, "_buffers")) {
                let name = objects.text(key).unwrap_or_default();
                let is_hidden = hidden.iter().any(|&h| objects.text(h) == Some(name));
                if !is_hidden {
                    tensor(name, value, budget)?;
                }
            }
            for &(key, value) in named(attribute(objects, object, "_modules")) {
                inner.push((objects.text(key).unwrap_or_default(), value));
            }
        }
        for &(key, value) in attributes {
            let name = objects.text(key).unwrap_or_default();
            let setting = match *objects.get(value) {
                Value::Object(_) if kind == Kind::Script => {
                    inner.push((name, value));
                    continue;
                }
                Value::Tensor(_) | Value::Odd(_) if kind == Kind::Script => {
                    tensor(name, value, budget)?;
                    continue;
                }
                Value::Bool(b) => serde_json::Value::from(b),
                Value::Int(n) => n.into(),
                Value::Float(x) => x.into(),
                Value::Text(text) => text.into(),
                // A function that the module calls: `torch.nn.functional.silu`.
                Value::Class(Class::Unknown { module, name }) => format!("{module}.{name}").into(),
                _ => continue,
            };
            if !name.starts_with('_') && name != "training" {
                budget.take(name.len() as u64 + 128, "its list of modules")?;
                settings.insert(name.to_owned(), setting);
            }
        }
        let at = path.trim_end_matches('.').to_owned();
        let class = class(object);
        found.modules.push((at, Module { class, settings }));
        let children = inner.into_iter().rev();
        stack.extend(children.map(|(name, id)| (id, format!("{path}{name}."), depth + 1)));
    }
    Ok(())
}

/// The class as Python calls it, less TorchScript's additions.
fn class(object: &Object<'_>) -> String {
    let segments = object.module.split('.');
    let module: Vec<&str> = segments
        .filter(|s| *s != SCRIPT && !s.starts_with("___torch_mangle_"))
        .collect();
    match module.join(".") {
        module if module.is_empty() => object.name.to_owned(),
        module => format!("{module}.{}", object.name),
    }
}

/// Refuses a value in a model's place for tensors that is none but has some in it: one part of a
/// sharded tensor, or the packed weights of a quantized layer.
pub(super) fn refuse_hidden(
    objects: &Unpickled<'_>,
    value: &Value<'_>,
    name: &str,
) -> Result<(), Reason> {
    let inside = |ids: &[Id]| -> Option<Id> {
        let mut ids = ids.iter().take(LOOK_AT).copied();
        ids.find(|&id| matches!(objects.get(id), Value::Tensor(_) | Value::Odd(_)))
    };
    let of = |id: Id| match objects.get(id) {
        Value::Tuple(items) => inside(items),
        Value::List(items) => inside(items),
        Value::Dict(items) => {
            let values: Vec<Id> = items.iter().take(LOOK_AT).map(|(_, v)| *v).collect();
            inside(&values)
        }
        _ => None,
    };
    let refuse = |id: Id, otherwise: Option<Reason>| match (objects.get(id), otherwise) {
        (Value::Odd(odd), _) => Err(odd.refuse(name.to_owned())),
        (_, Some(reason)) => Err(reason),
        (_, None) => Ok(()),
    };
    match value {
        Value::Tuple(items) => inside(items).map_or(Ok(()), |id| refuse(id, None)),
        Value::Object(object) if !is_module(objects, object) => {
            let hidden = of(object.arguments).or_else(|| of(object.state?));
            let within = Reason::Kind {
                tensor: name.to_owned(),
                kind: format!(
                    "in an object of the class `{:.100}.{:.100}`",
                    object.module, object.name
                ),
                remedy: SHARDED.remedy,
            };
            hidden.map_or(Ok(()), |id| refuse(id, Some(within)))
        }
        _ => Ok(()),
    }
}
