//! The tokens of a field, from the files in which people have them.

use std::path::Path;

use serde_json::Value;

use super::super::raw::Tokens;
use crate::error::ModelError;
use crate::import::{self, Items};

/// Tokens, and where the framework has their rows.
#[derive(Debug, PartialEq)]
pub(super) enum Vocabulary {
    /// In order.
    Listed(Vec<String>),
    /// Each with its row.
    Indexed(Vec<(String, usize)>),
}

/// Reads the tokens that a spec names; paths are relative to the spec's folder.
pub(super) fn read(named: &Tokens, dir: &Path, place: &str) -> Result<Vocabulary, ModelError> {
    let wrong = |what: String, remedy: &str| ModelError::Invalid {
        place: place.into(),
        what,
        remedy: remedy.into(),
    };
    let file = match named {
        Tokens::List(tokens) => {
            return Ok(Vocabulary::Listed(
                tokens.iter().map(ToString::to_string).collect(),
            ));
        }
        Tokens::File(file) => file,
    };
    let path = dir.join(file);
    let shown = path.display();
    let bytes = import::read_bounded(&path, import::LONGEST).map_err(|reason| {
        wrong(
            format!("{shown}: {reason}"),
            "name the file of tokens by its path from the spec's folder",
        )
    })?;
    let ending = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or("")
        .to_ascii_lowercase();
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| wrong(format!("{shown}: is no text"), "write UTF-8"))
    };
    match ending.as_str() {
        "npz" | "npy" => {
            let arrays = import::read_cells(&bytes).map_err(|reason| {
                wrong(format!("{shown}: {reason}"), "write it with numpy.save")
            })?;
            let mut arrays = arrays.into_iter();
            let (Some((_, array)), None) = (arrays.next(), arrays.next()) else {
                return Err(wrong(
                    format!("{shown}: it does not hold one array of texts or of whole numbers"),
                    "write the tokens alone: np.save(\"tokens.npy\", encoder.classes_.astype(str))",
                ));
            };
            Ok(Vocabulary::Listed(match array.items {
                Items::Texts(texts) => texts,
                Items::Ints(ids) => ids.iter().map(ToString::to_string).collect(),
            }))
        }
        "json" => {
            let json: Value = serde_json::from_slice(&bytes).map_err(|e| {
                wrong(
                    format!("{shown}: {e}"),
                    "write a list, or an object from token to row",
                )
            })?;
            from_json(json).map_err(|what| {
                wrong(
                    format!("{shown}: {what}"),
                    "write a list of tokens, or an object from token to row",
                )
            })
        }
        "csv" => from_csv(&bytes).map_err(|what| {
            wrong(
                format!("{shown}: {what}"),
                "write two columns with the header token,index",
            )
        }),
        "txt" => {
            let text = text(bytes)?;
            let lines = text.lines().map(str::to_owned);
            Ok(Vocabulary::Listed(lines.collect()))
        }
        _ => Err(wrong(
            format!("{shown}: its ending says nothing of what it holds"),
            "give the file one of the endings .json, .csv, .txt, .npy or .npz",
        )),
    }
}

fn token(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) if !n.is_f64() => Some(n.to_string()),
        _ => None,
    }
}

fn from_json(json: Value) -> Result<Vocabulary, String> {
    match json {
        Value::Array(items) => {
            let tokens = items.iter().enumerate().map(|(i, item)| {
                token(item).ok_or_else(|| format!("item {i}, {item}, is no token"))
            });
            tokens.collect::<Result<_, _>>().map(Vocabulary::Listed)
        }
        Value::Object(map) => {
            let tokens = map.into_iter().map(|(token, index)| {
                let at = index.as_u64().and_then(|i| usize::try_from(i).ok());
                at.map(|at| (token.clone(), at))
                    .ok_or_else(|| format!("token `{token}` has {index} for a row"))
            });
            tokens.collect::<Result<_, _>>().map(Vocabulary::Indexed)
        }
        other => Err(format!("it holds {other:.40}")),
    }
}

fn from_csv(bytes: &[u8]) -> Result<Vocabulary, String> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?;
    if header.iter().map(str::trim).ne(["token", "index"]) {
        return Err("its first line is not token,index".into());
    }
    let mut tokens = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| e.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let index = record.get(1).and_then(|i| i.trim().parse().ok());
        let index = index.ok_or_else(|| format!("line {line}: its index is no row"))?;
        tokens.push((record.get(0).unwrap_or("").to_owned(), index));
    }
    Ok(Vocabulary::Indexed(tokens))
}
