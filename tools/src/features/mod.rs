//! Files in which frameworks and libraries describe features, beside the weights: what makes a model's
//! vector of a record of raw fields.
//!
//! | given | what it is |
//! |---|---|
//! | a folder with `feature_map.json` and `feature_vocab.json` | FuxiCTR's data set |
//! | a file of JSON | scikit-learn's encoders, as a few lines of Python write them (`docs/features.md`) |
//! | any other text | TorchEasyRec's `pipeline.config` |
//!
//! What such a file does not say is asked for, in the spec: `[features.NAME]`.

mod easyrec;
mod fuxictr;
mod sklearn;
mod text_format;

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{ModelError, near_names};
use crate::front::build::{Builder, Rows, Scaling};
use crate::front::record::Record;
use crate::front::{Field, FrontError, Given, List, Number};
use crate::import::{self, Weights};

/// What a spec says of a field, where a file of features does not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    given: Option<String>,
    max: Option<usize>,
    keep: Option<String>,
    separator: Option<String>,
    missing: Option<Value>,
    other: Option<Value>,
    mean: Option<f64>,
    std: Option<f64>,
    range: Option<[f64; 2]>,
    hash: Option<String>,
}

/// Field by field.
pub type Spec = BTreeMap<String, Words>;

/// Longer than any description of features.
const LONGEST: u64 = 1 << 28;

/// Reads what makes the vector of `weights` of a record.
///
/// # Errors
///
/// A file that cannot be read or is none of these; a feature that a blob does not have, by name; what
/// the file leaves open and `spec` does not say, all at once.
pub fn read(path: &Path, weights: &Weights, spec: &Spec) -> Result<Record, ModelError> {
    let mut reader = Reader {
        shown: path.display().to_string(),
        weights,
        spec,
        builder: Builder::default(),
        asked: IndexMap::new(),
        known: Vec::new(),
    };
    if path.is_dir() {
        fuxictr::read(&mut reader, path)?;
    } else {
        let text = reader.text(path)?;
        if text.trim_start().starts_with(['[', '{']) {
            sklearn::read(&mut reader, &text)?;
        } else {
            easyrec::read(&mut reader, &text, path.parent().unwrap_or(Path::new("")))?;
        }
    }
    reader.finish()
}

/// One reading.
struct Reader<'r> {
    shown: String,
    weights: &'r Weights,
    spec: &'r Spec,
    builder: Builder,
    /// Field → what the spec has to say of it.
    asked: IndexMap<String, Vec<(&'static str, &'static str)>>,
    /// Names of the fields that the file has.
    known: Vec<String>,
}

type Read<T> = Result<T, ModelError>;

impl<'r> Reader<'r> {
    fn text(&self, path: &Path) -> Read<String> {
        let shown = path.display();
        let bytes = import::read_bounded(path, LONGEST).map_err(|reason| ModelError::Invalid {
            place: shown.to_string(),
            what: reason.to_string(),
            remedy: "name FuxiCTR's folder of a data set, a pipeline.config, or the JSON of \
                     scikit-learn's encoders"
                .into(),
        })?;
        String::from_utf8(bytes).map_err(|_| ModelError::Invalid {
            place: shown.to_string(),
            what: "it is no UTF-8 text".into(),
            remedy: "name the file that describes the features, not the weights".into(),
        })
    }

    /// What is wrong with a feature.
    fn wrong(&self, name: &str, what: impl Into<String>, remedy: &str) -> ModelError {
        ModelError::Invalid {
            place: format!("{}: feature `{name}`", self.shown),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// A feature that a blob does not have.
    fn refuse(&self, name: &str, what: &str, remedy: &str) -> ModelError {
        ModelError::Unsupported {
            place: format!("{}: feature `{name}`", self.shown),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    fn front<T>(&self, name: &str, result: Result<T, FrontError>) -> Read<T> {
        result.map_err(|error| self.wrong(name, error.to_string(), "correct the file"))
    }

    /// What the spec says of a field.
    fn words(&mut self, name: &str) -> Words {
        if !self.known.iter().any(|n| n == name) {
            self.known.push(name.into());
        }
        self.spec.get(name).cloned().unwrap_or_default()
    }

    /// Notes that a key has to stand in the spec.
    fn ask(&mut self, name: &str, key: &'static str, why: &'static str) {
        let asked = self.asked.entry(name.into()).or_default();
        if !asked.iter().any(|(k, _)| *k == key) {
            asked.push((key, why));
        }
    }

    /// The table whose name ends so.
    fn table(&mut self, feature: &str, ending: &str) -> Read<Rows> {
        let tensors = &self.weights.tensors;
        let fits = |n: &&String| *n == ending || n.ends_with(&format!(".{ending}"));
        let Some(name) = tensors.keys().find(fits) else {
            return Err(ModelError::NoTensor {
                place: format!("{}: feature `{feature}`", self.shown),
                name: ending.into(),
                near: near_names(ending, tensors.keys()),
            });
        };
        let tensor = &tensors[name];
        let &[_, width] = &tensor.shape[..] else {
            return Err(ModelError::Shape {
                place: format!("{}: feature `{feature}`", self.shown),
                name: name.clone(),
                found: tensor.shape.clone(),
                expected: "[rows, numbers of a row]".into(),
                hint: String::new(),
            });
        };
        if let Some((index, value)) = tensor.not_finite() {
            return Err(ModelError::NotFinite {
                place: format!("{}: feature `{feature}`", self.shown),
                name: name.clone(),
                index,
                value: value.to_string(),
            });
        }
        self.builder.reads(name);
        Ok(Rows {
            name: name.clone(),
            data: tensor.data.clone(),
            width,
        })
    }

    /// What a field of tokens is given as: text, unless the spec says that they are ids.
    fn given(&self, name: &str, words: &Words) -> Read<Given> {
        match words.given.as_deref() {
            None | Some("text") => Ok(Given::Text),
            Some("id") => Ok(Given::Id),
            Some(other) => Err(self.wrong(
                name,
                format!("given = \"{other}\" in the spec"),
                "its tokens are given as \"text\", or as \"id\" where they are whole numbers",
            )),
        }
    }

    /// A list of the field, from the spec's words where the file does not say.
    fn list(&mut self, name: &str, words: &Words, max: Option<usize>, keep: bool) -> Read<List> {
        let max = words.max.or(max);
        if max.is_none() {
            self.ask(name, "max", "the most items of a list, such as 20");
        }
        let keep_last = match words.keep.as_deref() {
            Some("first") => false,
            Some("last") => true,
            None if !keep => false,
            None => {
                self.ask(
                    name,
                    "keep",
                    "which items of a list that is too long: \"first\" for padding = \"post\", \
                     \"last\" for \"pre\"",
                );
                false
            }
            Some(other) => {
                let what = format!("keep = \"{other}\" in the spec");
                return Err(self.wrong(name, what, "write \"first\" or \"last\""));
            }
        };
        let max = max.unwrap_or(1);
        if !(1..=255).contains(&max) {
            let what = format!("a list of up to {max} items");
            return Err(self.wrong(name, what, "write max in the spec: 1 to 255"));
        }
        Ok(List { max, keep_last })
    }

    /// A row that the spec names: by number, or zeros.
    fn row(&self, name: &str, key: &str, value: &Value) -> Read<Option<usize>> {
        match value {
            Value::String(word) if word == "zero" => Ok(None),
            value => match value.as_u64().and_then(|n| usize::try_from(n).ok()) {
                Some(row) => Ok(Some(row)),
                None => Err(self.wrong(
                    name,
                    format!("{key} = {value} in the spec"),
                    "write the number of a row, or \"zero\"",
                )),
            },
        }
    }

    /// A field of the builder.
    fn field(&mut self, name: &str, given: Given, list: Option<List>, words: &Words) -> Field {
        let mut field = Field::new(name, given);
        field.list = list;
        if let Some(separator) = &words.separator {
            field.text.separator.clone_from(separator);
        }
        field
    }

    /// A number, scaled, as the next feature.
    fn number(
        &mut self,
        name: &str,
        given: Given,
        words: &Words,
        candidate: bool,
        mut scaling: Scaling,
    ) {
        let mut field = self.field(name, given, None, words);
        field.candidate = candidate;
        let at = self.builder.field(field);
        #[expect(clippy::cast_possible_truncation, reason = "a device has f32")]
        let missing = words
            .missing
            .as_ref()
            .and_then(Value::as_f64)
            .map(|v| v as f32);
        let number = Number {
            missing: missing.unwrap_or(f32::NAN),
            ..Number::default()
        };
        scaling.range = words.range.map(|[low, high]| (low, high));
        self.builder.number(at, number, &scaling);
    }

    /// The record, if nothing is left to ask.
    fn finish(self) -> Read<Record> {
        if let Some(name) = self.spec.keys().find(|n| !self.known.contains(n)) {
            let near = near_names(name, self.known.iter());
            let near = near.first().map_or_else(
                || format!("it has {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(ModelError::Invalid {
                place: format!("[features.{name}]"),
                what: format!("{} has no such feature", self.shown),
                remedy: near,
            });
        }
        if !self.asked.is_empty() {
            let mut lines = String::from("it does not hold them; write into the spec\n");
            for (name, keys) in &self.asked {
                lines.push_str(&format!("\n[features.{name}]\n"));
                for (key, why) in keys {
                    lines.push_str(&format!("{key} = …   # {why}\n"));
                }
            }
            let keys: Vec<String> = (self.asked.iter())
                .map(|(name, keys)| {
                    let keys: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
                    format!("{name}.{}", keys.join(&format!(", {name}.")))
                })
                .collect();
            return Err(ModelError::MissingKey {
                place: self.shown,
                key: keys.join(", "),
                remedy: lines.trim_end().into(),
            });
        }
        let place = self.shown;
        self.builder.finish().map_err(|error| ModelError::Invalid {
            place,
            what: error.to_string(),
            remedy: "correct the file or the spec".into(),
        })
    }
}
