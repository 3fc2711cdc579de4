//! NumPy's `.npz` and `.npy`.

use indexmap::IndexMap;

use super::archive::Archive;
use super::collect::{Budget, ByteOrder, Collector, Dtype, Raw, Strided, elements};
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
        push_numbers(&mut out, "array", bytes)?;
        return out.finish();
    }
    let mut archive = Archive::open(bytes)?;
    for member in archive.names().to_vec() {
        let bytes = archive.read(&member, &mut out.budget)?;
        push_numbers(&mut out, array_name(&member), &bytes)?;
        let freed = bytes.len();
        drop(bytes);
        out.budget.give_back(freed);
    }
    out.finish()
}

/// Pushes an array unless it is of text.
fn push_numbers(out: &mut Collector, name: &str, bytes: &[u8]) -> Result<(), Reason> {
    match header(bytes) {
        Ok((header, _)) if Text::of(header.descr).is_some() => Ok(()),
        _ => push(out, name, bytes),
    }
}

/// An array whose elements are not rounded to f32: integers and texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Cells {
    /// The size of each dimension.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub items: Items,
}

/// The elements of [`Cells`].
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// Of any integer type; one above the largest of 64 bits with a sign is that largest.
    Ints(Vec<i64>),
    /// Of a text type.
    Texts(Vec<String>),
}

/// The arrays of integers and of texts of an `.npz` or `.npy`.
pub(super) fn read_cells(bytes: &[u8]) -> Result<IndexMap<String, Cells>, Reason> {
    let mut budget = Budget::for_data(bytes.len());
    let mut found = IndexMap::new();
    if bytes.starts_with(MAGIC) {
        found.extend(cells(bytes, &mut budget)?.map(|cells| ("array".to_owned(), cells)));
        return Ok(found);
    }
    let mut archive = Archive::open(bytes)?;
    for member in archive.names().to_vec() {
        let bytes = archive.read(&member, &mut budget)?;
        let cells = cells(&bytes, &mut budget)?;
        found.extend(cells.map(|cells| (array_name(&member).to_owned(), cells)));
        budget.give_back(bytes.len());
    }
    Ok(found)
}

fn array_name(member: &str) -> &str {
    member.strip_suffix(".npy").unwrap_or(member)
}

/// An array of integers or texts; `None` for one of other numbers.
fn cells(bytes: &[u8], budget: &mut Budget) -> Result<Option<Cells>, Reason> {
    let damaged = |what: String| Reason::damaged("NumPy", what);
    let (header, data) = header(bytes).map_err(damaged)?;
    let text = Text::of(header.descr);
    let integer = dtype(header.descr).filter(|(dtype, _)| dtype.is_integer());
    let size = match (&text, integer) {
        (Some(text), _) => text.size(),
        (None, Some((dtype, _))) => dtype.size(),
        (None, None) => return Ok(None),
    };
    let shape = header.shape;
    let count = elements(&shape).filter(|n| n.checked_mul(size) == Some(data.len()));
    let Some(count) = count else {
        return Err(damaged(format!(
            "an array of shape {shape:?} has {} bytes of data",
            data.len()
        )));
    };
    // A text has a few words of its own besides its bytes.
    budget.take(count as u64 * 32 + data.len() as u64, "its elements")?;
    let strides = strides(&shape, header.fortran);
    let strided = Strided {
        offset: 0,
        shape: &shape,
        strides: &strides,
    };
    // Texts may be empty all of them, and have no bytes then.
    let gathered = if size == 0 {
        Vec::new().into()
    } else {
        let bytes = strided.gather(data, size);
        bytes.ok_or_else(|| damaged("data are missing".into()))?
    };
    let items = match (text, integer) {
        (Some(text), _) if size > 0 => {
            Items::Texts(gathered.chunks_exact(size).map(|e| text.read(e)).collect())
        }
        (Some(_), _) => Items::Texts(vec![String::new(); count]),
        (None, Some((dtype, order))) => Items::Ints(dtype.integers(order, &gathered)),
        (None, None) => return Ok(None),
    };
    Ok(Some(Cells { shape, items }))
}

/// A type of texts: `U` has four bytes a character, `S` one.
#[derive(Debug, Clone, Copy)]
struct Text {
    length: usize,
    wide: bool,
    big: bool,
}

impl Text {
    fn of(descr: &str) -> Option<Self> {
        let big = descr.starts_with('>');
        let kind = descr.trim_start_matches(['<', '>', '|', '=']);
        let (wide, length) = if let Some(length) = kind.strip_prefix('U') {
            (true, length)
        } else {
            (false, kind.strip_prefix('S')?)
        };
        Some(Self {
            length: length.parse().ok()?,
            wide,
            big,
        })
    }

    fn size(self) -> usize {
        self.length.saturating_mul(if self.wide { 4 } else { 1 })
    }

    /// The text, without the zeros that fill it up.
    fn read(self, bytes: &[u8]) -> String {
        let text: String = if self.wide {
            let (words, _) = bytes.as_chunks::<4>();
            let code = |b: &[u8; 4]| {
                let code = if self.big {
                    u32::from_be_bytes(*b)
                } else {
                    u32::from_le_bytes(*b)
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            };
            words.iter().map(code).collect()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        };
        text.trim_end_matches('\0').to_owned()
    }
}

fn members(archive: &mut Archive<'_>, out: &mut Collector) -> Result<(), Reason> {
    for member in archive.names().to_vec() {
        let bytes = archive.read(&member, &mut out.budget)?;
        push(out, array_name(&member), &bytes)?;
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
