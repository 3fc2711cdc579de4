//! PyTorch's `.pt` and `.pth`: state dicts, alone or in a checkpoint, and whole models; and Python
//! pickles of NumPy arrays.

use std::borrow::Cow;
use std::collections::HashMap;

use super::archive::Archive;
use super::collect::{Budget, ByteOrder, Collector, Raw, Strided};
use super::pickle::{self, Buffer, Id, TensorRef, Unpickled, Value};
use super::{Reason, Weights};

pub(super) mod export;
mod find;
mod modules;
mod notes;

pub(super) use find::AVERAGED;

/// The member of an archive that holds the pickle; it stands in a folder of any name.
pub(super) const PICKLE: &str = "data.pkl";

/// The pickled number that files of torch before 1.6 begin with.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

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

/// A TorchScript archive: one of the same kind whose pickle is of a whole model.
pub(super) fn read_script(archive: &mut Archive<'_>, budget: Budget) -> Result<Weights, Reason> {
    match read_zip(archive, budget) {
        Ok(mut weights) => {
            weights.format = "TorchScript archive".to_owned();
            Ok(weights)
        }
        Err(Reason::NoTensors { .. } | Reason::ForbiddenGlobal { .. }) => Err(Reason::NoTensors {
            found: "a TorchScript archive whose weights are constants in its code, as \
                    torch.jit.freeze makes it; save the state dict of the model before that, in \
                    Python:\n    torch.save(model.state_dict(), \"model.pt\")"
                .into(),
        }),
        Err(reason) => Err(reason),
    }
}

/// A torch file before version 1.6: five pickles in a row, then the storages.
pub(super) fn read_legacy(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut out = Collector::new("PyTorch state dict (legacy)", Budget::new(bytes.len()));
    if !bytes.starts_with(LEGACY_MAGIC) {
        out.rename("Python pickle");
        let objects = pickle::unpickle(bytes, &mut out.budget)?;
        return convert(out, &objects, ByteOrder::Little, |key, _| {
            Err(Reason::damaged(
                "pickle",
                format_args!("it has no storage {key:.40}"),
            ))
        });
    }
    let mut rest = &bytes[LEGACY_MAGIC.len()..];
    let mut next = |budget: &mut Budget| -> Result<(Unpickled<'_>, &[u8]), Reason> {
        let objects = pickle::unpickle(rest, budget)?;
        rest = &rest[objects.len..];
        Ok((objects, rest))
    };
    let _protocol = next(&mut out.budget)?;
    let (system, _) = next(&mut out.budget)?;
    let little = system.entry(system.root, "little_endian");
    let order = match little.map(|id| system.get(id)) {
        Some(Value::Bool(false)) => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    let (objects, _) = next(&mut out.budget)?;
    let (keys, mut rest) = next(&mut out.budget)?;
    let Value::List(keys_list) = keys.get(keys.root) else {
        return Err(out.damaged("it has no list of storages"));
    };
    let sizes: HashMap<&str, usize> = objects
        .all()
        .filter_map(|value| match value {
            Value::Storage(storage) => Some((storage.key, storage.elements.size())),
            _ => None,
        })
        .collect();
    let mut storages: HashMap<&str, &[u8]> = HashMap::new();
    for &key in keys_list {
        let Some(key) = keys.text(key) else {
            return Err(out.damaged("a storage has no name"));
        };
        let size = sizes
            .get(key)
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

fn convert<'s>(
    mut out: Collector,
    objects: &Unpickled<'_>,
    order: ByteOrder,
    mut load: impl FnMut(&str, &mut Budget) -> Result<Cow<'s, [u8]>, Reason>,
) -> Result<Weights, Reason> {
    let found = find::find(objects, &mut out.budget, &mut out.notes)?;
    if found.whole {
        out.rename("PyTorch model");
    }
    out.modules.extend(found.modules);
    let tensor_of = |id: Id| match objects.get(id) {
        Value::Tensor(tensor) => Some(&**tensor),
        _ => None,
    };
    let tensors = || {
        let tensors = found.tensors.iter();
        tensors.filter_map(|(name, id)| Some((name, tensor_of(*id)?)))
    };
    // A storage may serve many tensors: it is loaded once and freed after the last.
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for (_, tensor) in tensors() {
        if let Buffer::Storage(key) = tensor.buffer {
            *uses.entry(key).or_default() += 1;
        }
    }
    let mut loaded: HashMap<&str, Cow<'s, [u8]>> = HashMap::new();
    for (name, tensor) in tensors() {
        let booked = out.reserve(name, &tensor.shape)?;
        match tensor.buffer {
            Buffer::Bytes(bytes, order) => push(&mut out, name, tensor, order, bytes, booked)?,
            Buffer::Latin1(text, order) => {
                out.budget
                    .take(text.len() as u64, &format!("tensor `{name}`"))?;
                let bytes = text
                    .chars()
                    .map(u8::try_from)
                    .collect::<Result<Vec<u8>, _>>();
                let bytes = bytes.map_err(|e| out.damaged(e))?;
                push(&mut out, name, tensor, order, &bytes, booked)?;
                out.budget.give_back(text.len());
            }
            Buffer::Storage(key) => {
                if !loaded.contains_key(key) {
                    loaded.insert(key, load(key, &mut out.budget)?);
                }
                push(&mut out, name, tensor, order, &loaded[key], booked)?;
                if let Some(left) = uses.get_mut(key) {
                    *left -= 1;
                    if *left == 0
                        && let Some(Cow::Owned(freed)) = loaded.remove(key)
                    {
                        out.budget.give_back(freed.len());
                    }
                }
            }
        }
    }
    out.finish_modules()
}

/// Converts a tensor of `count` elements whose memory has been booked.
fn push(
    out: &mut Collector,
    name: &str,
    tensor: &TensorRef<'_>,
    order: ByteOrder,
    buffer: &[u8],
    count: usize,
) -> Result<(), Reason> {
    let size = tensor.dtype.size();
    let view = Strided {
        offset: tensor.offset,
        shape: &tensor.shape,
        strides: &tensor.strides,
    };
    // Elements that do not lie in a row are copied together first.
    let copy = count.saturating_mul(size);
    out.budget.take(copy as u64, &format!("tensor `{name}`"))?;
    let bytes = view
        .gather(buffer, size)
        .ok_or_else(|| out.damaged(format_args!("tensor `{name}` reaches beyond its storage")))?;
    out.push(
        name,
        Raw {
            shape: &tensor.shape,
            dtype: tensor.dtype,
            order,
            bytes: &bytes,
        },
    )?;
    drop(bytes);
    out.budget.give_back(copy);
    Ok(())
}
