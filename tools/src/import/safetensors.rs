//! `.safetensors`.

use std::collections::{HashMap, HashSet};
use std::fmt;

use safetensors::{Dtype as Theirs, SafeTensorError, SafeTensors};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::collect::{Budget, ByteOrder, Collector, Dtype, Raw};
use super::{Reason, Weights};

const FORMAT: &str = "safetensors";

pub(super) fn read(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut out = Collector::new(FORMAT, Budget::new(bytes.len()));
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| match e {
        SafeTensorError::MetadataIncompleteBuffer | SafeTensorError::InvalidHeaderLength => {
            let len = bytes.len();
            out.damaged(format_args!(
                "its {len} bytes are not as many as its header tells; it may be truncated"
            ))
        }
        e => out.damaged(e),
    })?;
    let (text, data) = bytes[8..].split_at(header);
    // The library keeps the last of two tensors of one name and says nothing.
    serde_json::from_slice::<Names>(text).map_err(|e| out.damaged(e))?;
    // In the order of their data, which is the order in which they were written.
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else {
            continue;
        };
        let dtype = dtype(info.dtype).ok_or_else(|| Reason::Dtype {
            tensor: name.clone(),
            dtype: info.dtype.to_string(),
        })?;
        out.reserve(&name, &info.shape)?;
        let (start, end) = info.data_offsets;
        let bytes = data
            .get(start..end)
            .ok_or_else(|| out.damaged("data are missing"))?;
        out.push(
            &name,
            Raw {
                shape: &info.shape,
                dtype,
                order: ByteOrder::Little,
                bytes,
            },
        )?;
    }
    if let Some(said) = metadata.metadata() {
        tie(&mut out, said)?;
    }
    out.finish_modules()
}

/// Restores the tensors that share their elements with another. `save_model` writes one of them
/// and says of the others whose they are: `{"towers.1.weight": "towers.0.weight"}`.
fn tie(out: &mut Collector, said: &HashMap<String, String>) -> Result<(), Reason> {
    let mut tied: Vec<(&String, &String)> = said
        .iter()
        .filter(|(name, kept)| !out.has(name) && out.has(kept))
        .collect();
    tied.sort();
    for (name, kept) in tied {
        out.copy(kept, name)?;
        out.notes.push(format!(
            "`{name}` is `{kept}`: the file says that they share their elements"
        ));
    }
    Ok(())
}

/// The names in a header, each of which stands there once.
struct Names;

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Names;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut seen = HashSet::new();
                while let Some((name, IgnoredAny)) = map.next_entry::<String, _>()? {
                    if seen.contains(&name) {
                        return Err(serde::de::Error::custom(format_args!(
                            "there are two tensors called `{name:.200}`"
                        )));
                    }
                    seen.insert(name);
                }
                Ok(Names)
            }
        }
        from.deserialize_map(Once)
    }
}

fn dtype(theirs: Theirs) -> Option<Dtype> {
    Some(match theirs {
        Theirs::BOOL => Dtype::Bool,
        Theirs::U8 => Dtype::U8,
        Theirs::I8 => Dtype::I8,
        Theirs::U16 => Dtype::U16,
        Theirs::I16 => Dtype::I16,
        Theirs::U32 => Dtype::U32,
        Theirs::I32 => Dtype::I32,
        Theirs::U64 => Dtype::U64,
        Theirs::I64 => Dtype::I64,
        Theirs::F16 => Dtype::F16,
        Theirs::BF16 => Dtype::Bf16,
        Theirs::F32 => Dtype::F32,
        Theirs::F64 => Dtype::F64,
        _ => return None,
    })
}
