//! Keras weights in HDF5: `.weights.h5`, and Keras 2's and 3's full and weights `.h5`.

use std::cmp::Ordering;

use hdf5_pure::{
    AttrValue, Dataset, Datatype, DatatypeByteOrder, File, FixedPointLayout, FloatingPointLayout,
    Group,
};
use indexmap::IndexMap;

use super::collect::{Budget, ByteOrder, Collector, Dtype, Raw, elements};
use super::metered::Metered;
use super::{Reason, Weights, json, keras};

/// Groups stand in groups no deeper than this; a group that contains itself stands in itself for
/// ever.
const DEEPEST: usize = 32;

/// What listing one member of a group is booked with: its name and its header.
const PER_MEMBER: u64 = 256;

const F16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 10,
    exponent_size: 5,
    mantissa_location: 0,
    mantissa_size: 10,
    exponent_bias: 15,
};

const BF16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 7,
    exponent_size: 8,
    mantissa_location: 0,
    mantissa_size: 7,
    exponent_bias: 127,
};

pub(super) fn read(bytes: Vec<u8>, mut budget: Budget) -> Result<Weights, Reason> {
    let file_len = bytes.len() as u64;
    let file = File::from_source(Metered::new(bytes)).map_err(damaged)?;
    let root = file.root();
    let attrs = root.attrs().map_err(damaged)?;
    let config = match attrs.get("model_config").and_then(AttrValue::as_str) {
        Some(text) => {
            let config = json::parse(text.as_bytes(), "its model_config", &mut budget)?;
            keras::refuse_quantized(&config)?;
            Some(config)
        }
        None => None,
    };
    let (groups, _) = members(&root)?;
    let full = groups.iter().find(|(name, _)| name == "model_weights");
    let has_layers =
        |group: &Group| -> Result<bool, Reason> { Ok(strings(group, "layer_names")?.is_some()) };
    let mut reader = Reader {
        file_len,
        out: Collector::new("Keras weights .h5", budget),
        layer_names: IndexMap::new(),
        optimizer: 0,
        seeds: 0,
        metrics: 0,
    };
    if let Some((_, group)) = full {
        reader.out = Collector::new("Keras full .h5", reader.out.budget);
        reader.out.notes.push(
            "took the tensors under `model_weights/`; the optimizer's were left out".to_owned(),
        );
        if has_layers(group)? {
            reader.layers(group)?;
        } else {
            reader.all(group)?;
        }
    } else if has_layers(&root)? {
        reader.layers(&root)?;
    } else {
        reader.out = Collector::new("Keras .weights.h5", reader.out.budget);
        reader.all(&root)?;
    }
    reader.finish(config)
}

struct Reader {
    file_len: u64,
    out: Collector,
    layer_names: IndexMap<String, String>,
    optimizer: usize,
    seeds: usize,
    metrics: usize,
}

impl Reader {
    /// A file whose attributes list its layers and their weights, in the order of the model.
    fn layers(&mut self, group: &Group) -> Result<(), Reason> {
        let mut layers = strings(group, "layer_names")?.unwrap_or_default();
        // Weights that belong to no layer stand in a group of their own.
        const TOP: &str = "top_level_model_weights";
        let (groups, _) = members(group)?;
        let groups: IndexMap<String, Group> = groups.into_iter().collect();
        if groups.contains_key(TOP) && !layers.iter().any(|l| l == TOP) {
            layers.push(TOP.to_owned());
        }
        for layer in &layers {
            let group = groups
                .get(layer)
                .ok_or_else(|| damaged(format_args!("layer `{layer}` is missing")))?;
            // All of them at once, as each look-up of a path would read the groups along it again.
            let mut found = IndexMap::new();
            self.list(layer, group, 0, &mut found)?;
            for weight in strings(group, "weight_names")?.unwrap_or_default() {
                self.out.budget.take(PER_MEMBER, "its list of weights")?;
                let name = format!("{layer}/{weight}");
                let dataset = found
                    .get(&name)
                    .ok_or_else(|| damaged(format_args!("weight `{name}` is missing")))?;
                self.tensor(&name, dataset)?;
            }
        }
        Ok(())
    }

    /// A file whose groups alone say what it holds.
    fn all(&mut self, group: &Group) -> Result<(), Reason> {
        let mut found = IndexMap::new();
        self.list("", group, 0, &mut found)?;
        for (name, dataset) in &found {
            self.tensor(name, dataset)?;
        }
        Ok(())
    }

    /// Lists the datasets in a group and in the groups within it. Their order is that of their
    /// names, with numbers in them compared as numbers.
    fn list(
        &mut self,
        path: &str,
        group: &Group,
        depth: usize,
        found: &mut IndexMap<String, Dataset>,
    ) -> Result<(), Reason> {
        if depth > DEEPEST {
            return Err(damaged(format_args!(
                "its groups nest without end: {path:.80}…"
            )));
        }
        if let Some(owner) = path.strip_suffix("/vars") {
            let attrs = group.attrs().map_err(damaged)?;
            if let Some(layer) = attrs.get("name").and_then(AttrValue::as_str) {
                self.layer_names.insert(owner.to_owned(), layer.to_owned());
            }
        }
        let (mut groups, mut datasets) = members(group)?;
        let booked = (groups.len() + datasets.len()) as u64 * (PER_MEMBER + path.len() as u64);
        self.out.budget.take(booked, "its list of groups")?;
        groups.sort_by(|a, b| natural(&a.0, &b.0));
        datasets.sort_by(|a, b| natural(&a.0, &b.0));
        found.extend(datasets.into_iter().map(|(name, d)| (join(path, &name), d)));
        for (name, group) in &groups {
            self.list(&join(path, name), group, depth + 1, found)?;
        }
        Ok(())
    }

    fn tensor(&mut self, name: &str, dataset: &Dataset) -> Result<(), Reason> {
        let parts = || name.split('/');
        if name.starts_with("optimizer/") || name.starts_with("optimizer_weights/") {
            self.optimizer += 1;
            return Ok(());
        }
        if name.starts_with("metrics/") {
            self.metrics += 1;
            return Ok(());
        }
        if parts().any(|p| p.starts_with("seed_generator")) {
            self.seeds += 1;
            return Ok(());
        }
        let broken = |e: hdf5_pure::Error| damaged(format_args!("tensor `{name}`: {e}"));
        let datatype = dataset.datatype().map_err(broken)?;
        let known = match datatype {
            // Keras 3 writes bfloat16 as bytes, and says so beside them.
            Datatype::Opaque { size: 2, .. } => {
                let attrs = dataset.attrs().map_err(broken)?;
                let said = attrs.get("dtype").and_then(AttrValue::as_str);
                (said == Some("bfloat16")).then_some((Dtype::Bf16, ByteOrder::Little))
            }
            _ => dtype(&datatype),
        };
        // No layer but a quantized one has weights of 8 bits.
        if known.is_some_and(|(dtype, _)| dtype == Dtype::I8) && parts().any(|p| p == "vars") {
            return Err(Reason::Kind {
                tensor: name.to_owned(),
                kind: "of 8-bit integers, as in a quantized layer".to_owned(),
                remedy: keras::BEFORE_QUANTIZE,
            });
        }
        let (dtype, order) = known.ok_or_else(|| Reason::Dtype {
            tensor: name.to_owned(),
            dtype: dataset
                .dtype()
                .map_or_else(|_| "unknown".to_owned(), |d| format!("{d:.80}")),
        })?;
        let sizes = |dims: Vec<u64>| {
            dims.into_iter()
                .map(|d| usize::try_from(d).map_err(damaged))
                .collect::<Result<Vec<usize>, Reason>>()
        };
        let shape = sizes(dataset.shape().map_err(broken)?)?;
        let count = self.out.reserve(name, &shape)?;
        // The stored bytes stand beside the converted ones, and one chunk of them beside those.
        let chunk = match dataset.chunk_shape().map_err(broken)? {
            Some(chunk) => {
                let chunk = sizes(chunk)?;
                // The library inflates a chunk of no elements without end.
                if chunk.contains(&0) {
                    return Err(damaged(format_args!(
                        "tensor `{name}` is stored in chunks of no elements"
                    )));
                }
                // Room for the stored chunks is made before they are read: they must lie within the
                // file.
                for stored in dataset.chunks().map_err(broken)? {
                    let end = stored.address.checked_add(stored.storage_size);
                    if end.is_none_or(|end| end > self.file_len) {
                        return Err(damaged(format_args!(
                            "tensor `{name}` has a chunk beyond the file's end"
                        )));
                    }
                }
                elements(&chunk)
            }
            None => Some(0),
        };
        let raw = chunk
            .and_then(|chunk| count.checked_add(chunk)?.checked_mul(dtype.size()))
            .ok_or_else(|| damaged(format_args!("tensor `{name}` has absurd chunks")))?;
        self.out
            .budget
            .take(raw as u64, &format!("tensor `{name}`"))?;
        let bytes = dataset.read_raw().map_err(broken)?;
        self.out.push(
            name,
            Raw {
                shape: &shape,
                dtype,
                order,
                bytes: &bytes,
            },
        )?;
        drop(bytes);
        self.out.budget.give_back(raw);
        Ok(())
    }

    fn finish(mut self, config: Option<serde_json::Value>) -> Result<Weights, Reason> {
        for (count, what) in [
            (self.optimizer, "of the optimizer"),
            (self.seeds, "of random seeds"),
            (self.metrics, "of metrics"),
        ] {
            if count > 0 {
                let variables = if count == 1 { "variable" } else { "variables" };
                self.out
                    .notes
                    .push(format!("left out {count} {variables} {what}"));
            }
        }
        let mut weights = self.out.finish()?;
        weights.config = config;
        weights.layer_names = self.layer_names;
        Ok(weights)
    }
}

fn damaged(reason: impl ToString) -> Reason {
    Reason::damaged("HDF5", reason)
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

type Members = (Vec<(String, Group)>, Vec<(String, Dataset)>);

fn members(group: &Group) -> Result<Members, Reason> {
    Ok((
        group.iter_groups().map_err(damaged)?.collect(),
        group.iter_datasets().map_err(damaged)?.collect(),
    ))
}

/// The strings of an attribute. Keras splits lists that are too long for one into `name0`, `name1`,
/// …, and writes empty lists as lists of no numbers.
fn strings(group: &Group, name: &str) -> Result<Option<Vec<String>>, Reason> {
    let attrs = group.attrs().map_err(damaged)?;
    let list = |value: &AttrValue| value.as_strings().unwrap_or_default().to_vec();
    if let Some(value) = attrs.get(name) {
        return Ok(Some(list(value)));
    }
    let parts: Vec<_> = (0..)
        .map_while(|i| attrs.get(&format!("{name}{i}")))
        .collect();
    if parts.is_empty() {
        return Ok(None);
    }
    Ok(Some(parts.into_iter().flat_map(list).collect()))
}

fn dtype(theirs: &Datatype) -> Option<(Dtype, ByteOrder)> {
    let (dtype, order) = match theirs {
        Datatype::FloatingPoint {
            size,
            byte_order,
            layout,
        } => {
            let dtype = match (size, *layout) {
                (2, F16) => Dtype::F16,
                (2, BF16) => Dtype::Bf16,
                (4, FloatingPointLayout::IEEE754_BINARY32) => Dtype::F32,
                (8, FloatingPointLayout::IEEE754_BINARY64) => Dtype::F64,
                _ => return None,
            };
            (dtype, byte_order)
        }
        Datatype::FixedPoint {
            size,
            byte_order,
            layout:
                FixedPointLayout {
                    signed,
                    bit_offset: 0,
                    bit_precision,
                },
        } if u32::from(*bit_precision) == size.saturating_mul(8) => {
            let dtype = match (size, signed) {
                (1, false) => Dtype::U8,
                (1, true) => Dtype::I8,
                (2, false) => Dtype::U16,
                (2, true) => Dtype::I16,
                (4, false) => Dtype::U32,
                (4, true) => Dtype::I32,
                (8, false) => Dtype::U64,
                (8, true) => Dtype::I64,
                _ => return None,
            };
            (dtype, byte_order)
        }
        _ => return None,
    };
    match order {
        DatatypeByteOrder::LittleEndian => Some((dtype, ByteOrder::Little)),
        DatatypeByteOrder::BigEndian => Some((dtype, ByteOrder::Big)),
        _ => None,
    }
}

/// Compares names with the numbers in them as numbers: `dense_10` after `dense_9`, and `dense`
/// before both.
fn natural(a: &str, b: &str) -> Ordering {
    let number = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let (mut x, mut y) = (a, b);
    loop {
        let (n, m) = (number(x), number(y));
        if n > 0 && m > 0 {
            let (p, q) = (
                x[..n].trim_start_matches('0'),
                y[..m].trim_start_matches('0'),
            );
            let order = p.len().cmp(&q.len()).then_with(|| p.cmp(q));
            if order.is_ne() {
                return order;
            }
            (x, y) = (&x[n..], &y[m..]);
            continue;
        }
        match (x.chars().next(), y.chars().next()) {
            (Some(c), Some(d)) if c == d => (x, y) = (&x[c.len_utf8()..], &y[d.len_utf8()..]),
            // Equal but for leading zeros.
            (None, None) => return a.cmp(b),
            (c, d) => return c.cmp(&d),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_sort_as_numbers() {
        let mut names = [
            "dense_10", "m_mo_e", "dense", "dense_9", "10", "2", "dense_01", "dense_1", "dense_1b",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "2", "10", "dense", "dense_01", "dense_1", "dense_1b", "dense_9", "dense_10",
                "m_mo_e"
            ]
        );
    }
}
