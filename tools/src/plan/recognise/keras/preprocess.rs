//! What single preprocessing layers of Keras hold: vocabularies, bounds, hashes and statistics.

use serde_json::Value;

use super::layer;
use super::record::{self, Kind, Source, Walk};
use crate::front::build::{Keys, Lookup};
use crate::front::{By, Coder, Given, Item};
use crate::plan::recognise::Unread;

type Read<T> = Result<T, Unread>;

/// How a value is given, its look-up, what fills lists up, and how many codes there are.
type Looked = (Given, Lookup, Option<String>, usize);

/// Keras divides a `Normalization` by no less than this.
const LEAST_DEVIATION: f64 = 1e-7;

pub(super) struct Layers<'w, 'a> {
    pub(super) walk: &'w Walk<'w, 'a>,
}

impl Layers<'_, '_> {
    fn config(&self, key: &str) -> Option<&Value> {
        let value = self.walk.layer.config.get(key);
        value.filter(|v| !v.is_null())
    }

    pub(super) fn discretization(&self, source: &Source) -> Read<Looked> {
        let given = match source.kind {
            Kind::Float => Given::F32,
            Kind::Int(_) => Given::I32,
            Kind::Text => return Err(self.walk.unread("a Discretization of text", "look it up")),
        };
        let bounds = self.config("bin_boundaries").and_then(Value::as_array);
        let bounds: Vec<f64> = match bounds {
            Some(list) => list.iter().filter_map(Value::as_f64).collect(),
            None => {
                return Err(self.walk.unread(
                    "a Discretization without bounds",
                    "call adapt before saving the model",
                ));
            }
        };
        let last = bounds.len();
        let lookup = Lookup {
            keys: Keys::ranges(record::bounds(source.kind, &bounds)),
            other: None,
            // Keras counts NaN as above all bounds.
            missing: (given == Given::F32).then_some(Some(last)),
        };
        Ok((given, lookup, None, last + 1))
    }

    pub(super) fn hashing(&self, source: &Source) -> Read<Looked> {
        let bins = self.walk.count("num_bins")?;
        let given = match source.kind {
            Kind::Text => Given::Text,
            Kind::Int(32) => Given::I32,
            // Wider than an id of a record: the decimals have the same hash.
            Kind::Int(_) => Given::Text,
            Kind::Float => {
                return Err(self.walk.unread(
                    "a Hashing of floats, whose text no two programs agree on,",
                    "bucketize them, or give text",
                ));
            }
        };
        let masked = match self.config("mask_value") {
            None => false,
            Some(Value::String(mask)) if mask.is_empty() && source.kind == Kind::Text => true,
            Some(mask) => {
                let what = format!("a Hashing with the mask_value {mask}");
                return Err(self
                    .walk
                    .unread(&what, "leave it out, or mask the empty text"));
            }
        };
        let first = usize::from(masked);
        let left = bins.checked_sub(first).filter(|n| *n > 0);
        let buckets = left.and_then(|n| u32::try_from(n).ok()).ok_or_else(|| {
            self.walk
                .unread("a Hashing of no or too many bins", "correct num_bins")
        })?;
        let key = |v: &Value| v.as_u64();
        let by = match self.config("salt") {
            None => By::Farm(buckets),
            Some(Value::Array(pair)) => match pair.iter().map(key).collect::<Option<Vec<_>>>() {
                Some(pair) if pair.len() == 2 => By::Sip(buckets, [pair[0], pair[1]]),
                _ => {
                    return Err(self
                        .walk
                        .unread("a salt that is no pair of numbers", "give one"));
                }
            },
            Some(one) => match key(one) {
                Some(salt) => By::Sip(buckets, [salt, salt]),
                None => return Err(self.walk.unread("a salt that is no number", "give one")),
            },
        };
        // The empty text has a hash as any other; a record may leave it out.
        let coder = Coder {
            by: by.clone(),
            missing: None,
        };
        let empty = coder.code(Item::Text("")).map(|code| code as usize + first);
        let missing = match (source.kind, masked) {
            (Kind::Text, true) => Some(Some(0)),
            (Kind::Text, false) => Some(empty),
            _ => None,
        };
        let lookup = Lookup {
            keys: Keys::hashed(by, first),
            other: None,
            missing,
        };
        Ok((given, lookup, masked.then(String::new), bins))
    }

    /// A `StringLookup` or an `IntegerLookup`.
    pub(super) fn vocabulary(&self, source: &Source) -> Read<Looked> {
        let walk = self.walk;
        if self.config("invert").and_then(Value::as_bool) == Some(true) {
            return Err(walk.unread("a look-up with invert", "apply it behind the model"));
        }
        let unknown = self.config("num_oov_indices").and_then(Value::as_u64);
        let unknown = match unknown.unwrap_or(1) {
            0 => 0,
            1 => 1,
            n => {
                let what = format!("a look-up with num_oov_indices={n}");
                return Err(walk.unread(
                    &what,
                    "a code for unknown values is one row: train with num_oov_indices=1, or with a \
                     Hashing layer in place of the look-up",
                ));
            }
        };
        let text = |v: &Value| match v {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => number.as_i64().map(|n| n.to_string()),
            _ => None,
        };
        let mask = self.config("mask_token").and_then(text);
        let as_codes = walk.text("output_mode") == Some("int");
        // In the other modes the mask has no column.
        let first = unknown + usize::from(mask.is_some() && as_codes);
        let tokens: Vec<String> = match self.config("vocabulary").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(text).collect(),
            None => self.asset(first)?,
        };
        let count = first + tokens.len();
        let masked = as_codes.then_some(0);
        let other = (unknown == 1).then_some(first - unknown);
        let mut keys: Vec<(String, Option<usize>)> =
            (tokens.into_iter()).zip((first..).map(Some)).collect();
        let row_of = |keys: &[(String, Option<usize>)], token: &str| {
            let found = keys.iter().find(|(text, _)| text == token);
            match (&mask, found) {
                (Some(mask), _) if mask == token => masked,
                (_, Some((_, row))) => *row,
                _ => other,
            }
        };
        let lookup = |keys, missing| Lookup {
            keys,
            other,
            missing,
        };
        let (given, lookup) = match source.kind {
            Kind::Text => {
                let missing = row_of(&keys, "");
                if source.items == 1
                    && let Some(mask) = mask.as_ref().filter(|m| !m.is_empty())
                {
                    keys.push((mask.clone(), masked));
                }
                (Given::Text, lookup(Keys::texts(keys), Some(missing)))
            }
            Kind::Int(_) => {
                if source.items == 1
                    && let Some(mask) = &mask
                {
                    keys.push((mask.clone(), masked));
                }
                let ids: Option<Vec<(u32, Option<usize>)>> = (keys.iter())
                    .map(|(text, row)| Some((text.parse().ok()?, *row)))
                    .collect();
                match ids {
                    Some(ids) => (Given::Id, lookup(Keys::Ids(ids), None)),
                    None => (Given::Text, lookup(Keys::texts(keys), None)),
                }
            }
            Kind::Float => return Err(walk.unread("a look-up of floats", "bucketize them")),
        };
        Ok((given, lookup, mask, count))
    }

    /// The vocabulary that an adapted look-up keeps in a file of its own, behind its special tokens.
    fn asset(&self, first: usize) -> Read<Vec<String>> {
        let assets = &self.walk.names.weights.assets;
        let mut places = self.walk.layer.places.iter();
        let found = places.find_map(|place| assets.get(&format!("assets/{place}/vocabulary.txt")));
        let found = found.ok_or_else(|| {
            self.walk.unread(
                "a look-up without a vocabulary",
                "call adapt before saving, and give the .keras file: others do not hold what a \
                 look-up has learned",
            )
        })?;
        let lines = found.split('\n').skip(first);
        Ok(lines.map(str::to_owned).collect())
    }
}

/// What a `Normalization` or a `Rescaling` multiplies each number with, and adds.
pub(super) fn scaling(walk: &Walk<'_, '_>, count: usize) -> Read<(Vec<f64>, Vec<f64>)> {
    let config = walk.layer.config;
    let given = |key: &str| -> Option<Vec<f64>> {
        match config.get(key)? {
            Value::Array(list) => list.iter().map(Value::as_f64).collect(),
            one => Some(vec![one.as_f64()?]),
        }
    };
    let spread = |values: Option<Vec<f64>>| -> Option<Vec<f64>> {
        let values = values?;
        match values[..] {
            [one] => Some(vec![one; count]),
            _ => Some(values).filter(|v| v.len() == count),
        }
    };
    let broken = || {
        walk.unread(
            "a layer whose numbers do not fit its input",
            "call adapt before saving the model",
        )
    };
    if walk.layer.class == "Rescaling" {
        let offset = spread(given("offset").or(Some(vec![0.0]))).ok_or_else(broken)?;
        let scale = spread(given("scale")).ok_or_else(broken)?;
        if scale.contains(&0.0) {
            return Err(walk.unread("a Rescaling by 0", "leave the input out"));
        }
        return Ok((scale, offset));
    }
    if config.get("invert").and_then(Value::as_bool) == Some(true) {
        return Err(walk.unread("a Normalization with invert", "apply it before the model"));
    }
    let mean = spread(given("mean").or_else(|| walk.measured(0))).ok_or_else(broken)?;
    let variance = spread(given("variance").or_else(|| walk.measured(1))).ok_or_else(broken)?;
    let factor = |v: &f64| {
        let deviation = v.sqrt();
        // Whatever had one value in training told it nothing, and would drown all else with another.
        if deviation > LEAST_DEVIATION {
            deviation.recip()
        } else {
            0.0
        }
    };
    let factors: Vec<f64> = variance.iter().map(factor).collect();
    let addends = mean.iter().zip(&factors).map(|(m, f)| -m * f).collect();
    Ok((factors, addends))
}

/// The activation function of a dense layer behind an embedding.
pub(super) fn function(walk: &Walk<'_, '_>) -> Read<fn(f64) -> f64> {
    let value = walk.layer.config.get("activation");
    let name = value.map_or(Some("linear".to_owned()), layer::activation_name);
    Ok(match name.as_deref() {
        Some("linear") => |x| x,
        Some("relu") => |x| x.max(0.0),
        Some("tanh") => f64::tanh,
        Some("sigmoid") => |x| 1.0 / (1.0 + (-x).exp()),
        other => {
            let what = format!(
                "a Dense with {} behind an embedding",
                other.unwrap_or("a function")
            );
            return Err(walk.unread(&what, "use linear, relu, tanh or sigmoid"));
        }
    })
}
