//! FuxiCTR: `feature_map.json` and `feature_vocab.json` of a data set.
//!
//! They hold the order of the features, their kinds, vocabularies and the length of lists. The
//! constants of normalizers, the splitter, the side of the padding and `fill_na` are in a pickle and in
//! the data set's configuration only, so the spec says them.

use std::path::Path;

use serde_json::Value;

use super::{Read, Reader, Words};
use crate::front::build::{Keys, Lookup, Rows, Scaling};
use crate::front::{Given, Pool};

pub(super) fn read(reader: &mut Reader<'_>, folder: &Path) -> Read<()> {
    let map = json(reader, &folder.join("feature_map.json"))?;
    let vocabularies = json(reader, &folder.join("feature_vocab.json"))?;
    let features = map.get("features").and_then(Value::as_array);
    let Some(features) = features else {
        return Err(reader.wrong(
            "*",
            "feature_map.json has no features",
            "name FuxiCTR's folder",
        ));
    };
    for (name, feature) in features.iter().filter_map(Value::as_object).flatten() {
        let text = |key: &str| feature.get(key).and_then(Value::as_str);
        for (key, what) in [
            ("pretrained_emb", "a pretrained embedding"),
            ("category_processor", "a category_processor"),
        ] {
            if feature.get(key).is_some_and(|v| !v.is_null()) {
                let remedy = "train with its own table and vocabulary";
                return Err(reader.refuse(name, what, remedy));
            }
        }
        let words = reader.words(name);
        // Candidates are items; everything else is shared by them.
        let candidate = text("source") == Some("item");
        let tensor = format!("embedding_layers.{name}.weight");
        match text("type") {
            Some("meta") => {}
            Some("numeric") => {
                let table = reader.table(name, &tensor)?;
                numeric(reader, name, &words, &table, candidate);
            }
            Some(kind @ ("categorical" | "sequence")) => {
                let vocabulary = vocabularies.get(name).and_then(Value::as_object);
                let vocabulary: Option<Vec<(String, usize)>> = vocabulary.and_then(|tokens| {
                    let row = |(t, i): (&String, &Value)| {
                        Some((t.clone(), usize::try_from(i.as_u64()?).ok()?))
                    };
                    tokens.iter().map(row).collect()
                });
                let Some(vocabulary) = vocabulary else {
                    return Err(reader.wrong(
                        name,
                        "feature_vocab.json has no vocabulary of it",
                        "give both files of one data set",
                    ));
                };
                let table = reader.table(name, &tensor)?;
                let sequence = (kind == "sequence").then(|| Sequence {
                    max: feature.get("max_len").and_then(Value::as_u64),
                    encoder: text("feature_encoder"),
                });
                tokens(
                    reader, name, &words, &table, vocabulary, sequence, candidate,
                )?;
            }
            other => {
                let what = format!("the type {}", other.unwrap_or("of its own"));
                return Err(reader.refuse(
                    name,
                    &what,
                    "there are numeric, categorical, sequence and meta",
                ));
            }
        }
    }
    Ok(())
}

/// What the map says of a list.
struct Sequence<'m> {
    max: Option<u64>,
    encoder: Option<&'m str>,
}

fn json(reader: &Reader<'_>, path: &Path) -> Read<Value> {
    let text = reader.text(path)?;
    serde_json::from_str(&text).map_err(|error| crate::error::ModelError::Invalid {
        place: path.display().to_string(),
        what: error.to_string(),
        remedy: "give the file as FuxiCTR wrote it".into(),
    })
}

/// A number, which FuxiCTR multiplies with as many weights as an embedding is wide.
fn numeric(reader: &mut Reader<'_>, name: &str, words: &Words, table: &Rows, candidate: bool) {
    const NORMALIZER: &str = "the normalizer's: StandardScaler's mean_ and scale_; MinMaxScaler's \
                              data_min_ and data_range_; 0.0 and 1.0 without one";
    let (mean, std) = match (words.mean, words.std) {
        (Some(mean), Some(std)) if std > 0.0 => (mean, std),
        (mean, _) => {
            if mean.is_none() {
                reader.ask(name, "mean", NORMALIZER);
            }
            reader.ask(name, "std", "above 0, as `mean`");
            (0.0, 1.0)
        }
    };
    let weights = table.data.iter().map(|w| f64::from(*w)).collect();
    let scaling = Scaling {
        weights,
        ..Scaling::new(mean, std)
    };
    reader.number(name, Given::F32, words, candidate, scaling);
}

fn tokens(
    reader: &mut Reader<'_>,
    name: &str,
    words: &Words,
    table: &Rows,
    vocabulary: Vec<(String, usize)>,
    sequence: Option<Sequence<'_>>,
    candidate: bool,
) -> Read<()> {
    let special = |token: &str| {
        vocabulary
            .iter()
            .find(|(t, _)| t == token)
            .map(|(_, row)| *row)
    };
    let Some(unknown) = special("__OOV__") else {
        return Err(reader.wrong(
            name,
            "its vocabulary has no __OOV__",
            "give FuxiCTR's own file",
        ));
    };
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let missing = words.missing.as_ref().map(text);
    let given = reader.given(name, words)?;
    let (list, pool) = match sequence {
        None => (None, Pool::One),
        Some(sequence) => {
            let pool = match sequence.encoder {
                Some("layers.MaskedAveragePooling()") => Pool::Mean,
                Some("layers.MaskedSumPooling()") => Pool::Sum,
                other => {
                    let what = format!("the feature_encoder {}", other.unwrap_or("none"));
                    return Err(reader.refuse(
                        name,
                        &what,
                        "pool lists by layers.MaskedAveragePooling() or layers.MaskedSumPooling()",
                    ));
                }
            };
            let max = sequence.max.and_then(|n| usize::try_from(n).ok());
            if words.separator.is_none() {
                reader.ask(name, "separator", "its `splitter`, such as \"^\"");
            }
            (Some(reader.list(name, words, max, true)?), pool)
        }
    };
    // In a list the token of `fill_na`, by default the empty one, is padding.
    let lookup_missing = match (&list, &missing) {
        (None, Some(token)) => Some(Some(special(token).unwrap_or(unknown))),
        _ => None,
    };
    let tokens = vocabulary
        .iter()
        .filter(|(t, _)| !["__PAD__", "__OOV__"].contains(&t.as_str()));
    let tokens: Vec<(String, Option<usize>)> = tokens.map(|(t, i)| (t.clone(), Some(*i))).collect();
    let keys = if given == Given::Id {
        let ids: Option<Vec<_>> = tokens
            .iter()
            .map(|(t, i)| Some((t.parse().ok()?, *i)))
            .collect();
        let Some(ids) = ids else {
            return Err(reader.wrong(
                name,
                "given = \"id\" in the spec, and not all of its tokens are whole numbers",
                "write given = \"text\"",
            ));
        };
        Keys::Ids(ids)
    } else {
        Keys::texts(tokens)
    };
    let lookup = Lookup {
        keys,
        other: Some(unknown),
        missing: lookup_missing,
    };
    let mut field = reader.field(name, given, list, words);
    field.candidate = candidate;
    if list.is_some() {
        field.text.padding = Some(missing.unwrap_or_default());
    }
    let at = reader.builder.field(field);
    let done = reader.builder.rows(at, &lookup, table, pool);
    reader.front(name, done)
}
