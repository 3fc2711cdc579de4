//! JSON: an object per line, or a list of objects.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::DataError;
use super::csv::Csv;

/// The rows of a text that begins as JSON, and the same as the table that CSV would hold: numbers and
/// labels are found in it.
pub(super) fn parse(text: &str, path: &str) -> Result<(Vec<Map<String, Value>>, Csv), DataError> {
    let error = |line: usize, what: String| DataError::Csv {
        path: path.into(),
        line: line as u64 + 1,
        what,
    };
    let object = |line: usize, value: Value| match value {
        Value::Object(map) => Ok(map),
        other => Err(error(line, format!("{other:.40} is no object of fields"))),
    };
    let rows: Vec<Map<String, Value>> = if text.trim_start().starts_with('[') {
        let all: Vec<Value> = serde_json::from_str(text)
            .map_err(|e| error(e.line().saturating_sub(1), e.to_string()))?;
        let rows = all.into_iter().enumerate();
        rows.map(|(i, value)| object(i, value))
            .collect::<Result<_, _>>()?
    } else {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim().is_empty());
        lines
            .map(|(i, line)| {
                let value = serde_json::from_str(line).map_err(|e| error(i, e.to_string()))?;
                object(i, value)
            })
            .collect::<Result<_, _>>()?
    };
    let mut columns: IndexMap<&str, usize> = IndexMap::new();
    for key in rows.iter().flat_map(Map::keys) {
        let next = columns.len();
        columns.entry(key).or_insert(next);
    }
    let mut csv = Csv::with_names(columns.keys().map(|k| (*k).to_owned()).collect());
    for (i, row) in rows.iter().enumerate() {
        let cells = columns.keys().map(|key| match row.get(*key) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        let cells: Vec<String> = cells.collect();
        csv.push(cells.iter().map(String::as_str), i as u64 + 1);
    }
    Ok((rows, csv))
}
