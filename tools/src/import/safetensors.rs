//! `.safetensors`.

use safetensors::{Dtype as Theirs, SafeTensorError, SafeTensors};

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
    let data = &bytes[8 + header..];
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
    out.strip_prefixes();
    out.finish()
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
