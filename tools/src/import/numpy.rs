//! NumPy's `.npz` and `.npy`.

use super::archive::Archive;
use super::collect::{Budget, ByteOrder, Collector, Dtype, Raw, Strided};
use super::{Reason, Weights};

/// How every array file begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

pub(super) fn read_npz(archive: &mut Archive<'_>, budget: Budget) -> Result<Weights, Reason> {
    let mut out = Collector::new("NumPy .npz", budget);
    members(archive, &mut out)?;
    out.finish_modules()
}

/// Rows of data from an `.npz` or `.npy`: any values, names as they are.
pub(super) fn read_data(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut out = Collector::new("NumPy", Budget::for_data(bytes.len()));
    out.any_value = true;
    if bytes.starts_with(MAGIC) {
        push(&mut out, "array", bytes)?;
    } else {
        members(&mut Archive::open(bytes)?, &mut out)?;
    }
    out.finish()
}

fn members(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), Reason> {
    for member in archive.names().to_vec() {
        let bytes = archive.read(&member, &mut out.budget)?;
        let name = member.strip_suffix(".npy").unwrap_or(&member);
        push(out, name, &bytes)?;
        let freed = bytes.len();
        drop(bytes);
        out.budget.give_back(freed);
    }
    Ok(())
}

/// A single array: its one tensor has the name `array`.
pub(super) fn read_npy(bytes: &[u8]) -> Result<Weights, Reason> {
    let mut out = Collector::new("NumPy .npy", Budget::new(bytes.len()));
    push(&mut out, "array", bytes)?;
    out.finish()
}

fn push(out: &mut Collector, name: &str, bytes: &[u8]) -> Result<(), Reason> {
    let (header, data) =
        header(bytes).map_err(|reason| out.damaged(format_args!("array `{name}`: {reason}")))?;
    let (dtype, order) = dtype(header.descr).ok_or_else(|| Reason::Dtype {
        tensor: name.to_owned(),
        dtype: header.descr.to_owned(),
    })?;
    let shape = header.shape;
    let count = out.reserve(name, &shape)?;
    if data.len() / dtype.size() != count || data.len() % dtype.size() != 0 {
        return Err(out.damaged(format_args!(
            "array `{name}` of shape {shape:?} has {} bytes of data",
            data.len()
        )));
    }
    let strides = strides(&shape, header.fortran);
    let strided = Strided {
        offset: 0,
        shape: &shape,
        strides: &strides,
    };
    let bytes = strided
        .gather(data, dtype.size())
        .ok_or_else(|| out.damaged(format_args!("array `{name}`: data are missing")))?;
    out.push(
        name,
        Raw {
            shape: &shape,
            dtype,
            order,
            bytes: &bytes,
        },
    )
}

/// The steps along the dimensions of an array without gaps, in C's order or in Fortran's.
pub(super) fn strides(shape: &[usize], fortran: bool) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    let mut step = 1usize;
    for i in 0..shape.len() {
        let axis = if fortran { i } else { shape.len() - 1 - i };
        strides[axis] = step;
        step = step.saturating_mul(shape[axis]);
    }
    strides
}

/// What an array file says about its data.
struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Vec<usize>,
}

/// Splits an array file into its parsed header and its data.
fn header(bytes: &[u8]) -> Result<(Header<'_>, &[u8]), String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it is not an array file".into());
    }
    let missing = || "its header is missing".to_owned();
    let start = match bytes.get(6).ok_or_else(missing)? {
        1 => 10,
        2 | 3 => 12,
        v => return Err(format!("its format version is {v}")),
    };
    let len = match *bytes.get(8..start).ok_or_else(missing)? {
        [a, b] => usize::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u32::from_le_bytes([a, b, c, d]) as usize,
        _ => return Err(missing()),
    };
    let data = start.checked_add(len).ok_or_else(missing)?;
    let text = bytes.get(start..data).ok_or_else(missing)?;
    let text = std::str::from_utf8(text).map_err(|e| format!("its header: {e}"))?;
    let header = parse(text).ok_or_else(|| format!("its header reads {text:.120}"))?;
    Ok((header, &bytes[data..]))
}

/// Parses the dictionary that NumPy writes: `{'descr': '<f4', 'fortran_order': False, 'shape': (3,
/// 4), }`. An array of records has a list for `descr`, and is refused here.
fn parse(text: &str) -> Option<Header<'_>> {
    let value = |key: &str| {
        let at = text.find(key)? + key.len();
        Some(text[at..].trim_start().strip_prefix(':')?.trim_start())
    };
    let (descr, _) = value("'descr'")?.strip_prefix('\'')?.split_once('\'')?;
    let order = value("'fortran_order'")?;
    let (shape, _) = value("'shape'")?.strip_prefix('(')?.split_once(')')?;
    Some(Header {
        descr,
        fortran: match order.get(..4)? {
            "True" => true,
            "Fals" => false,
            _ => return None,
        },
        shape: shape
            .split(',')
            .map(str::trim)
            .filter(|d| !d.is_empty())
            // Python 2 wrote `3L`.
            .map(|d| d.trim_end_matches('L').parse().ok())
            .collect::<Option<_>>()?,
    })
}

/// Byte order, kind and size, such as `<f4`.
fn dtype(descr: &str) -> Option<(Dtype, ByteOrder)> {
    let (order, kind) = descr.split_at_checked(1)?;
    let order = match order {
        "<" | "|" => ByteOrder::Little,
        ">" => ByteOrder::Big,
        _ => return None,
    };
    Some((self::kind(kind)?, order))
}

/// Kind and size, such as `f4`.
pub(super) fn kind(kind: &str) -> Option<Dtype> {
    Some(match kind {
        "b1" => Dtype::Bool,
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        _ => return None,
    })
}
