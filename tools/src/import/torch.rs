//! PyTorch's `.pt` and `.pth`: state dicts, alone or in a checkpoint.

use std::borrow::Cow;
use std::collections::HashMap;

use super::archive::Archive;
use super::collect::{Budget, ByteOrder, Collector, Raw, Strided};
use super::pickle::{self, Id, TensorRef, Unpickled, Value};
use super::{Reason, Weights};

/// The member of an archive that holds the pickle; it stands in a folder of any name.
pub(super) const PICKLE: &str = "data.pkl";

/// The pickled number that files of torch before 1.6 begin with.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

/// Keys under which checkpoints keep the model's state dict.
const USUAL_KEYS: [&str; 5] = ["state_dict", "model_state_dict", "model", "module", "net"];

/// Checkpoints in checkpoints are as deep as this.
const DEEPEST: usize = 4;

/// A dictionary of tensors shows one among this many entries; looking further would let a file of
/// many references to one long dictionary take for ever.
const LOOK_AT: usize = 32;

/// A torch file since version 1.6: a zip archive of a pickle and the storages.
pub(super) fn read_zip(archive: &mut Archive<'_>, budget: Budget) -> Result<Weights, Reason> {
    let mut out = Collector::new("PyTorch state dict", budget);
    let folder = archive
        .names()
        .iter()
        .find_map(|n| n.strip_suffix(PICKLE))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .ok_or_else(|| out.damaged("it has no data.pkl"))?
        .to_owned();
    let order_member = format!("{folder}byteorder");
    let mut order = ByteOrder::Little;
    if archive.has(&order_member) && archive.read(&order_member, &mut out.budget)? == b"big" {
        order = ByteOrder::Big;
    }
    let bytes = archive.read(&format!("{folder}{PICKLE}"), &mut out.budget)?;
    let objects = pickle::unpickle(&bytes, &mut out.budget)?;
    let load = |key: &str, budget: &mut Budget| {
        let bytes = archive.read(&format!("{folder}data/{key}"), budget)?;
        Ok(Cow::Owned(bytes))
    };
    convert(out, &objects, order, load)
}

/// A torch file before version 1.6: five pickles in a row, then the storages.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut out = Collector::new("PyTorch state dict (legacy)", Budget::new(bytes.len()));
    if !bytes.starts_with(LEGACY_MAGIC) {
        // Name what it asks for, if it asks for anything: that is what tells its owner what it is.
        pickle::unpickle(bytes, &mut out.budget)?;
        return Err(Reason::Unknown {
            found: "it is a Python pickle without tensors".into(),
        });
    }
    let mut rest = &bytes[LEGACY_MAGIC.len()..];
    let mut next = |budget: &mut Budget| -> Result<(Unpickled, &[u8]), Reason> {
        let objects = pickle::unpickle(rest, budget)?;
        rest = &rest[objects.len..];
        Ok((objects, rest))
    };
    let _protocol = next(&mut out.budget)?;
    let (system, _) = next(&mut out.budget)?;
    let order = match entry(&system, system.root, "little_endian") {
        Some(Value::Bool(false)) => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    let (objects, _) = next(&mut out.budget)?;
    let (keys, mut rest) = next(&mut out.budget)?;
    let Value::List(keys_list) = keys.get(keys.root) else {
        return Err(out.damaged("it has no list of storages"));
    };
    let sizes: HashMap<&str, usize> = tensors_of(&objects)
        .map(|t| (&*t.storage.key, t.storage.dtype.size()))
        .collect();
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    for &key in keys_list {
        let Value::Text(key) = keys.get(key) else {
            return Err(out.damaged("a storage has no name"));
        };
        let size = sizes
            .get(&**key)
            .ok_or_else(|| out.damaged(format_args!("storage {key:.40} is unused")))?;
        let split = rest.split_first_chunk::<8>().and_then(|(count, data)| {
            let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
            data.split_at_checked(count.checked_mul(*size)?)
        });
        let (data, after) =
            split.ok_or_else(|| out.damaged(format_args!("storage {key:.40} is truncated")))?;
        storages.insert(key, data);
        rest = after;
    }
    let load = |key: &str, _: &mut Budget| match storages.get(key) {
        Some(&data) => Ok(Cow::Borrowed(data)),
        None => Err(Reason::damaged(
            "PyTorch state dict (legacy)",
            format_args!("storage {key} is missing"),
        )),
    };
    convert(out, &objects, order, load)
}

/// All the tensors among the objects, wherever they stand.
fn tensors_of(objects: &Unpickled) -> impl Iterator<Item = &TensorRef> {
    objects.all().filter_map(|value| match value {
        Value::Tensor(tensor) => Some(&**tensor),
        _ => None,
    })
}

fn entry<'a>(objects: &'a Unpickled, dict: Id, key: &str) -> Option<&'a Value> {
    let Value::Dict(items) = objects.get(dict) else {
        return None;
    };
    let is_key = |id: Id| matches!(objects.get(id), Value::Text(text) if **text == *key);
    let (_, value) = items.iter().rev().find(|(k, _)| is_key(*k))?;
    Some(objects.get(*value))
}

/// The entries of the dictionary of tensors in the file, and what was done to find it.
fn state_dict<'a>(
    objects: &'a Unpickled,
    notes: &mut Vec<String>,
) -> Result<Vec<(String, &'a TensorRef)>, Reason> {
    let mut dict = objects.root;
    for _ in 0..DEEPEST {
        let Value::Dict(items) = objects.get(dict) else {
            let found = match objects.get(dict) {
                Value::Tensor(_) => "a single tensor without a name; save the model's state dict",
                Value::List(_) | Value::Tuple(_) => {
                    "a list instead of a dictionary; save the model's state dict"
                }
                _ => "no dictionary of tensors; save the model's state dict",
            };
            return Err(Reason::NoTensors {
                found: found.into(),
            });
        };
        let mut tensors = Vec::new();
        let mut others = Vec::new();
        let mut dicts = Vec::new();
        for &(key, value) in items {
            let name = match objects.get(key) {
                Value::Text(text) => text.to_string(),
                Value::Int(n) => n.to_string(),
                _ => continue,
            };
            match objects.get(value) {
                Value::Tensor(tensor) => {
                    tensors.push((name, &**tensor));
                    continue;
                }
                Value::Dict(inner) if holds_tensors(objects, inner) => {
                    dicts.push((name.clone(), value));
                }
                _ => {}
            }
            others.push(name);
        }
        if !tensors.is_empty() {
            if !others.is_empty() {
                notes.push(format!("left out, as no tensors: {}", others.join(", ")));
            }
            return Ok(tensors);
        }
        let usual = USUAL_KEYS
            .iter()
            .find_map(|k| dicts.iter().find(|(name, _)| name == k));
        let (name, inner) = match (usual, &dicts[..]) {
            (Some(found), _) | (None, [found]) => found,
            (None, []) => {
                return Err(Reason::NoTensors {
                    found: format!(
                        "a dictionary without tensors (its keys: {:.200})",
                        others.join(", ")
                    ),
                });
            }
            (None, _) => {
                return Err(Reason::Ambiguous {
                    keys: dicts.into_iter().map(|(name, _)| name).collect(),
                });
            }
        };
        others.retain(|n| n != name);
        let mut note = format!("took the state dict under `{name}`");
        if !others.is_empty() {
            note.push_str(&format!("; left out beside it: {}", others.join(", ")));
        }
        notes.push(note);
        dict = *inner;
    }
    Err(Reason::NoTensors {
        found: "dictionaries within dictionaries; save the model's state dict".into(),
    })
}

/// Whether a dictionary has a tensor in it, or a dictionary which does.
fn holds_tensors(objects: &Unpickled, items: &[(Id, Id)]) -> bool {
    let is_tensor = |id: Id| matches!(objects.get(id), Value::Tensor(_));
    let mut first = items.iter().take(LOOK_AT);
    first.any(|&(_, value)| match objects.get(value) {
        Value::Tensor(_) => true,
        Value::Dict(inner) => inner.iter().take(LOOK_AT).any(|&(_, v)| is_tensor(v)),
        _ => false,
    })
}

fn convert<'s>(
    mut out: Collector,
    objects: &Unpickled,
    order: ByteOrder,
    mut load: impl FnMut(&str, &mut Budget) -> Result<Cow<'s, [u8]>, Reason>,
) -> Result<Weights, Reason> {
    let tensors = state_dict(objects, &mut out.notes)?;
    // A storage may serve many tensors: it is loaded once and freed after the last.
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for (_, tensor) in &tensors {
        *uses.entry(&tensor.storage.key).or_default() += 1;
    }
    let mut loaded: HashMap<&str, Cow<'s, [u8]>> = HashMap::new();
    for (name, tensor) in &tensors {
        let key = &*tensor.storage.key;
        let size = tensor.storage.dtype.size();
        let count = out.reserve(name, &tensor.shape)?;
        if !loaded.contains_key(key) {
            loaded.insert(key, load(key, &mut out.budget)?);
        }
        let storage = &loaded[key];
        let view = Strided {
            offset: tensor.offset,
            shape: &tensor.shape,
            strides: &tensor.strides,
        };
        // Elements that do not lie in a row are copied together first.
        let copy = count.saturating_mul(size);
        out.budget.take(copy as u64, &format!("tensor `{name}`"))?;
        let bytes = view.gather(storage, size).ok_or_else(|| {
            out.damaged(format_args!("tensor `{name}` reaches beyond its storage"))
        })?;
        out.push(
            name,
            Raw {
                shape: &tensor.shape,
                dtype: tensor.storage.dtype,
                order,
                bytes: &bytes,
            },
        )?;
        drop(bytes);
        out.budget.give_back(copy);
        if let Some(left) = uses.get_mut(key) {
            *left -= 1;
            if *left == 0
                && let Some(Cow::Owned(freed)) = loaded.remove(key)
            {
                out.budget.give_back(freed.len());
            }
        }
    }
    out.strip_prefixes();
    out.finish()
}
