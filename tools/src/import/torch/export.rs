//! Exported programs (`.pt2`): the state dict that stands in the archive beside the program. The
//! program itself is not read.

use serde_json::Value;

use super::super::archive::Archive;
use super::super::collect::{Budget, ByteOrder, Collector, Dtype, Raw, Strided};
use super::super::{Reason, Weights, json, sniff};

/// How exported programs keep their weights, by the end of a member's name: torch before 2.8 pickles
/// them.
const PICKLED: [&str; 2] = ["serialized_state_dict.pt", "data/weights/model.pt"];

/// Later ones describe them, and keep the elements of each storage in a member of its own.
const DESCRIBED: &str = "_weights_config.json";

const FORMAT: &str = "PyTorch exported program";

pub(in super::super) fn read(
    archive: &mut Archive<'_>,
    mut budget: Budget,
) -> Result<Weights, Reason> {
    let ending = |end: &str| -> Vec<String> {
        let names = archive.names().iter();
        names.filter(|n| n.ends_with(end)).cloned().collect()
    };
    let pickled: Vec<String> = PICKLED.iter().flat_map(|end| ending(end)).collect();
    let described = ending(DESCRIBED);
    let mut weights = match (&pickled[..], &described[..]) {
        ([name], _) => {
            let bytes = archive.read(name, &mut budget)?;
            super::read_zip(&mut Archive::open(&bytes)?, budget)?
        }
        (_, [name]) => read_described(archive, name, budget)?,
        // None of them, or several models.
        _ => return Err(sniff::EXPORTED),
    };
    weights.format = FORMAT.to_owned();
    Ok(weights)
}

fn read_described(
    archive: &mut Archive<'_>,
    name: &str,
    budget: Budget,
) -> Result<Weights, Reason> {
    let mut out = Collector::new(FORMAT, budget);
    let text = archive.read(name, &mut out.budget)?;
    let config = json::parse(&text, name, &mut out.budget)?;
    let folder = name.rfind('/').map_or("", |at| &name[..=at]);
    let order = archive.names().iter().find(|n| n.ends_with("byteorder"));
    let order = match order.cloned() {
        Some(order) if archive.read(&order, &mut out.budget)? == b"big" => ByteOrder::Big,
        _ => ByteOrder::Little,
    };
    // Tensors that share a storage follow each other. It stays booked, so that a file cannot have
    // its storages read for ever.
    let mut storage = (String::new(), Vec::new());
    let tensors = config.get("config").and_then(Value::as_object);
    for (name, described) in tensors.into_iter().flatten() {
        let tensor = describe(described)
            .ok_or_else(|| out.damaged(format_args!("tensor `{name}` is not described")))?;
        let Some(dtype) = tensor.dtype else {
            return Err(Reason::Dtype {
                tensor: name.clone(),
                dtype: "that is not real numbers of a usual size".to_owned(),
            });
        };
        let count = out.reserve(name, &tensor.shape)?;
        let member = format!("{folder}{}", tensor.member);
        if storage.0 != member {
            storage.1 = archive.read(&member, &mut out.budget)?;
            storage.0 = member;
        }
        let copy = count.saturating_mul(dtype.size());
        out.budget.take(copy as u64, &format!("tensor `{name}`"))?;
        let view = Strided {
            offset: tensor.offset,
            shape: &tensor.shape,
            strides: &tensor.strides,
        };
        let bytes = view.gather(&storage.1, dtype.size()).ok_or_else(|| {
            out.damaged(format_args!("tensor `{name}` reaches beyond its storage"))
        })?;
        let raw = Raw {
            shape: &tensor.shape,
            dtype,
            order,
            bytes: &bytes,
        };
        out.push(name, raw)?;
        drop(bytes);
        out.budget.give_back(copy);
    }
    out.finish_modules()
}

/// What the archive says of one tensor.
struct Described<'v> {
    member: &'v str,
    dtype: Option<Dtype>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// `{"path_name": "weight_0", "use_pickle": false, "tensor_meta": {"dtype": 7, "sizes": [{"as_int":
/// 2}], "strides": […], "storage_offset": {"as_int": 0}, …}}`.
fn describe(tensor: &Value) -> Option<Described<'_>> {
    // Pickled ones are of classes of their own.
    if tensor.get("use_pickle").and_then(Value::as_bool) != Some(false) {
        return None;
    }
    let meta = tensor.get("tensor_meta")?;
    let size = |value: &Value| usize::try_from(value.get("as_int")?.as_u64()?).ok();
    let sizes =
        |key: &str| -> Option<Vec<usize>> { meta.get(key)?.as_array()?.iter().map(size).collect() };
    let (shape, strides) = (sizes("sizes")?, sizes("strides")?);
    (shape.len() == strides.len()).then_some(Described {
        member: tensor.get("path_name")?.as_str()?,
        dtype: dtype(meta.get("dtype")?.as_u64()?),
        offset: size(meta.get("storage_offset")?)?,
        shape,
        strides,
    })
}

/// The numbers that the archive's schema gives to types.
fn dtype(number: u64) -> Option<Dtype> {
    Some(match number {
        1 => Dtype::U8,
        2 => Dtype::I8,
        3 => Dtype::I16,
        4 => Dtype::I32,
        5 => Dtype::I64,
        6 => Dtype::F16,
        7 => Dtype::F32,
        8 => Dtype::F64,
        12 => Dtype::Bool,
        13 => Dtype::Bf16,
        28 => Dtype::U16,
        _ => return None,
    })
}
