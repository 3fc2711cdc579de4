//! TorchEasyRec's `pipeline.config`: features in the order of the model's feature group.
//!
//! What its documentation and its tests say is done here; the generator of features itself (`pyfg`) is a
//! closed binary, and so is its hash.

use std::path::Path;

use super::text_format::{self, Message, Value};
use super::{Read, Reader, Words};
use crate::error::ModelError;
use crate::front::build::{Keys, Lookup, Scaling};
use crate::front::{Bounds, By, Coder, Given, Item, Number, Pool, Transform};

pub(super) fn read(reader: &mut Reader<'_>, text: &str, folder: &Path) -> Read<()> {
    let wrong = |what: String| ModelError::Invalid {
        place: reader.shown.clone(),
        what,
        remedy: "name TorchEasyRec's pipeline.config".into(),
    };
    let config = text_format::parse(text).map_err(wrong)?;
    let model = config.messages("model_config").next();
    let groups: Vec<&Message> = model
        .iter()
        .flat_map(|m| m.messages("feature_groups"))
        .collect();
    let [group] = groups[..] else {
        return Err(wrong(format!(
            "it has {} feature groups, and the vector is made of one",
            groups.len()
        )));
    };
    if group.get("sequence_groups").is_some() {
        return Err(reader.refuse(
            group.text("group_name").unwrap_or("*"),
            "a group of sequences",
            "put lists into the group as id_feature, which are pooled",
        ));
    }
    let data = config.messages("data_config").next();
    if data.and_then(|d| d.word("fg_mode")) == Some("FG_NONE") {
        return Err(reader.refuse(
            "*",
            "fg_mode: FG_NONE, where rows hold codes that another program made,",
            "describe the codes with [[fields]] in the spec",
        ));
    }
    for name in group.all("feature_names") {
        let Value::Text(name) = name else { continue };
        let mut features = config.messages("feature_configs").flat_map(|f| &f.0);
        let found = features.find_map(|(kind, value)| match value {
            Value::Message(m) if m.text("feature_name") == Some(name) => Some((kind, m)),
            _ => None,
        });
        let Some((kind, feature)) = found else {
            return Err(reader.wrong(name, "no feature_configs describes it", "correct the file"));
        };
        let expression = feature.text("expression").unwrap_or(name);
        let (side, field) = expression.split_once(':').unwrap_or(("", expression));
        for key in ["zch", "dynamicemb", "autodis", "mlp"] {
            if feature.get(key).is_some() {
                return Err(reader.refuse(name, key, "train with a table of fixed rows"));
            }
        }
        if feature
            .word("weighted")
            .is_some_and(|w| w.eq_ignore_ascii_case("true"))
        {
            return Err(reader.refuse(name, "a weighted feature", "leave the weights out"));
        }
        let words = reader.words(field);
        let one = One {
            name,
            field,
            candidate: side == "item",
            feature,
            words: &words,
        };
        match kind.as_str() {
            "id_feature" => one.id(reader, folder)?,
            "raw_feature" => one.raw(reader)?,
            other => {
                return Err(reader.refuse(
                    name,
                    &format!("a feature of the kind {other}"),
                    "there are id_feature and raw_feature",
                ));
            }
        }
    }
    Ok(())
}

/// One feature.
struct One<'f> {
    name: &'f str,
    field: &'f str,
    candidate: bool,
    feature: &'f Message,
    words: &'f Words,
}

impl One<'_> {
    /// Its embedding.
    fn rows(&self, reader: &mut Reader<'_>, given: Given, lookup: &Lookup) -> Read<()> {
        let own = format!("{}_emb", self.name);
        let table = self.feature.text("embedding_name").unwrap_or(&own);
        let table = reader.table(self.name, &format!("embedding_bags.{table}.weight"))?;
        let pool = match self.feature.text("pooling") {
            None | Some("sum") => Pool::Sum,
            Some("mean") => Pool::Mean,
            Some(other) => {
                let what = format!("pooling: \"{other}\"");
                return Err(reader.refuse(self.name, &what, "there are sum and mean"));
            }
        };
        // A feature of ids may be a list unless it says that it is none; the file has no maximum.
        let may_be = given == Given::Text || given == Given::Id;
        let list =
            may_be && self.words.max.is_some() && self.feature.word("value_dim") != Some("1");
        let list = match list {
            true => Some(reader.list(self.field, self.words, None, false)?),
            false => None,
        };
        let mut lookup = lookup.clone();
        if list.is_some() {
            if let Some(Some(_)) = lookup.missing {
                reader.builder.note(format!(
                    "`{}`: an empty list makes zeros; its default_value is for the file's own \
                     generator to put in",
                    self.field
                ));
            }
            lookup.missing = None;
        }
        let pool = if list.is_some() { pool } else { Pool::One };
        let mut field = reader.field(self.field, given, list, self.words);
        field.candidate = self.candidate;
        if self.words.separator.is_none()
            && let Some(separator) = self.feature.text("separator")
        {
            field.text.separator = separator.into();
        }
        let at = reader.builder.field(field);
        let done = reader.builder.rows(at, &lookup, &table, pool);
        reader.front(self.name, done)
    }

    fn id(&self, reader: &mut Reader<'_>, folder: &Path) -> Read<()> {
        let feature = self.feature;
        let default = feature.text("default_value").unwrap_or("");
        let reserved = feature.number::<usize>("default_bucketize_value");
        let (given, lookup) = if let Some(buckets) = feature.number::<u32>("hash_bucket_size") {
            if self.words.hash.as_deref() != Some("farm64") {
                return Err(reader.refuse(
                    self.name,
                    "the hash of TorchEasyRec's own generator, which is a closed binary,",
                    "train with USE_FARM_HASH_TO_BUCKETIZE=true and write hash = \"farm64\" into \
                     [features.NAME] of the spec; or use vocab_list",
                ));
            }
            let by = By::Farm(buckets);
            let coder = Coder {
                by: by.clone(),
                missing: None,
            };
            let missing = coder
                .code(Item::Text(default))
                .filter(|_| !default.is_empty());
            let lookup = Lookup {
                keys: Keys::hashed(by, 0),
                other: None,
                missing: Some(missing.map(|code| code as usize)),
            };
            (Given::Text, lookup)
        } else if let Some(buckets) = feature.number::<usize>("num_buckets") {
            let missing = Some(default.parse().ok());
            reader.builder.note(format!(
                "`{}`: an id that is not below {buckets} makes zeros",
                self.field
            ));
            let lookup = Lookup {
                keys: Keys::Rows(buckets),
                other: None,
                missing,
            };
            (Given::Id, lookup)
        } else {
            let mut tokens = self.vocabulary(reader, folder, reserved.is_some())?;
            let known = |tokens: &[(String, usize)]| tokens.iter().position(|(t, _)| t == default);
            let from_map = feature.get("vocab_dict").is_some();
            let missing = match (default, known(&tokens), reserved) {
                ("", ..) => None,
                // In a map the default value moves to the code that is kept for it.
                (_, Some(at), None) if from_map => {
                    tokens[at].1 = 0;
                    Some(0)
                }
                (_, Some(at), _) => Some(tokens[at].1),
                (_, None, None) => Some(0),
                (_, None, Some(other)) => Some(other),
            };
            let given = reader.given(self.field, self.words)?;
            let rows = tokens.into_iter().map(|(token, row)| (token, Some(row)));
            let keys = if given == Given::Id {
                let ids: Option<Vec<_>> =
                    rows.map(|(t, row)| Some((t.parse().ok()?, row))).collect();
                let ids = ids.ok_or_else(|| {
                    let what = "given = \"id\" in the spec, and not all tokens are whole numbers";
                    reader.wrong(self.name, what, "write given = \"text\"")
                })?;
                Keys::Ids(ids)
            } else {
                Keys::texts(rows.collect())
            };
            let lookup = Lookup {
                keys,
                other: Some(reserved.unwrap_or(1)),
                missing: Some(missing),
            };
            (given, lookup)
        };
        self.rows(reader, given, &lookup)
    }

    /// Tokens with their rows; two are kept for the default and for unknown values unless the file
    /// says a number for those.
    fn vocabulary(
        &self,
        reader: &Reader<'_>,
        folder: &Path,
        free: bool,
    ) -> Read<Vec<(String, usize)>> {
        let first = if free { 0 } else { 2 };
        let text = |v: &Value| match v {
            Value::Text(text) | Value::Word(text) => Some(text.clone()),
            Value::Message(_) => None,
        };
        let list = self.feature.all("vocab_list").filter_map(text);
        let mut tokens: Vec<(String, usize)> = list.zip(first..).collect();
        for entry in self.feature.messages("vocab_dict") {
            let key = entry.get("key").and_then(text);
            let (Some(key), Some(row)) = (key, entry.number("value")) else {
                return Err(reader.wrong(
                    self.name,
                    "an entry of its vocab_dict",
                    "give key, value",
                ));
            };
            tokens.push((key, row));
        }
        if let Some(file) = self.feature.text("vocab_file") {
            if !free {
                return Err(reader.wrong(
                    self.name,
                    "a vocab_file without default_bucketize_value",
                    "TorchEasyRec asks for one: set it to the row of unknown values",
                ));
            }
            let text = reader.text(&folder.join(file))?;
            for (at, line) in text.lines().enumerate() {
                let pair = line.rsplit_once(' ');
                let pair = pair.and_then(|(t, row)| Some((t.to_owned(), row.parse().ok()?)));
                tokens.push(pair.unwrap_or_else(|| (line.to_owned(), at)));
            }
        }
        if tokens.is_empty() {
            return Err(reader.wrong(
                self.name,
                "it has no vocabulary",
                "there are num_buckets, vocab_list, vocab_dict and vocab_file",
            ));
        }
        Ok(tokens)
    }

    fn raw(&self, reader: &mut Reader<'_>) -> Read<()> {
        let feature = self.feature;
        if feature.number("value_dim").unwrap_or(1) > 1 {
            return Err(reader.refuse(
                self.name,
                "a raw_feature of several numbers",
                "give each number as a feature of its own",
            ));
        }
        let default = feature.text("default_value").unwrap_or("0");
        let default: Option<f64> = default.parse().ok();
        let (transform, mean, std) = self.normalizer(reader)?;
        let bounds: Option<Vec<f64>> = (feature.all("boundaries"))
            .map(|v| match v {
                Value::Word(word) => word.parse().ok(),
                _ => None,
            })
            .collect();
        let bounds = bounds.ok_or_else(|| {
            reader.wrong(
                self.name,
                "its boundaries are no numbers",
                "correct the file",
            )
        })?;
        if !bounds.is_empty() {
            if transform != Transform::Identity || (mean, std) != (0.0, 1.0) {
                let what = "boundaries behind a normalizer";
                return Err(reader.refuse(self.name, what, "give boundaries of the raw number"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "the file's floats are f32")]
            let narrow: Vec<f32> = bounds.iter().map(|b| *b as f32).collect();
            reader.builder.note(format!(
                "`{}`: a number that equals a boundary belongs to the bucket above it",
                self.field
            ));
            let row = |x: f64| narrow.iter().filter(|b| f64::from(**b) <= x).count();
            let lookup = Lookup {
                other: None,
                missing: Some(default.map(row)),
                keys: Keys::ranges(Bounds::F32(narrow)),
            };
            return self.rows(reader, Given::F32, &lookup);
        }
        let missing = self.missing(reader, default, transform, mean, std)?;
        let mut field = reader.field(self.field, Given::F32, None, self.words);
        field.candidate = self.candidate;
        let at = reader.builder.field(field);
        let number = Number {
            missing,
            transform,
            ..Number::default()
        };
        let scaling = Scaling {
            range: self.words.range.map(|[low, high]| (low, high)),
            ..Scaling::new(mean, std)
        };
        reader.builder.number(at, number, &scaling);
        Ok(())
    }

    /// The logarithm, the mean and the deviation of `method=…,key=number,…`.
    fn normalizer(&self, reader: &Reader<'_>) -> Read<(Transform, f64, f64)> {
        let Some(text) = self.feature.text("normalizer").filter(|t| !t.is_empty()) else {
            return Ok((Transform::Identity, 0.0, 1.0));
        };
        let part = |key: &str| {
            let mut parts = text.split(',').filter_map(|p| p.split_once('='));
            parts.find(|(k, _)| k.trim() == key).map(|(_, v)| v.trim())
        };
        let number = |key: &str| -> Read<f64> {
            part(key).and_then(|v| v.parse().ok()).ok_or_else(|| {
                reader.wrong(
                    self.name,
                    format!("its normalizer has no {key}"),
                    "correct the file",
                )
            })
        };
        #[expect(clippy::cast_possible_truncation, reason = "a device has f32")]
        let narrow = |v: f64| v as f32;
        let (transform, mean, std) = match part("method") {
            Some("zscore") => (
                Transform::Identity,
                number("mean")?,
                number("standard_deviation")?,
            ),
            Some("minmax") => {
                let (min, max) = (number("min")?, number("max")?);
                (Transform::Identity, min, max - min)
            }
            Some("log10") => {
                let (threshold, below) = (narrow(number("threshold")?), narrow(number("default")?));
                (Transform::Log10 { threshold, below }, 0.0, 1.0)
            }
            other => {
                let what = format!("the normalizer {}", other.unwrap_or(text));
                return Err(reader.refuse(self.name, &what, "there are log10, zscore and minmax"));
            }
        };
        if std > 0.0 {
            Ok((transform, mean, std))
        } else {
            Err(reader.wrong(
                self.name,
                format!("its normalizer divides by {std}"),
                "correct it",
            ))
        }
    }

    /// The raw number that makes what a missing one is: the generator puts the default value in behind
    /// the normalizer.
    fn missing(
        &self,
        reader: &Reader<'_>,
        default: Option<f64>,
        transform: Transform,
        mean: f64,
        std: f64,
    ) -> Read<f32> {
        let Some(default) = default else {
            return Ok(f32::NAN);
        };
        let raw = match transform {
            Transform::Log10 { threshold, below } => {
                let raw = 10f64.powf(default);
                if default == f64::from(below) {
                    f64::from(threshold)
                } else if raw > f64::from(threshold) {
                    raw
                } else {
                    let what = format!("the default_value {default} behind log10");
                    return Err(reader.refuse(
                        self.name,
                        &what,
                        "set it to the normalizer's default, or to a logarithm above its threshold",
                    ));
                }
            }
            _ => default * std + mean,
        };
        #[expect(clippy::cast_possible_truncation, reason = "a device has f32")]
        Ok(raw as f32)
    }
}
