//! The record of a plan: its fields with the rows of their tables.

use super::tensors::Tensors;
use crate::error::ModelError;
use crate::front::FrontError;
use crate::front::build::{Builder, Keys, Lookup, Rows};
use crate::front::record::Record;
use crate::plan::Layout;
use crate::plan::fields::{FieldsPlan, MakesPlan, Source};

/// What the fields of a plan make of a record.
pub(super) fn record(plan: &FieldsPlan, tensors: &mut Tensors) -> Result<Record, ModelError> {
    let mut builder = Builder::default();
    for planned in &plan.fields {
        let name = &planned.field.name;
        let at = builder.field(planned.field.clone());
        let done = match &planned.makes {
            MakesPlan::Number(number, scaling) => {
                builder.number(at, *number, scaling);
                Ok(())
            }
            MakesPlan::Hot(lookup, columns) => builder.hot(at, lookup, *columns),
            MakesPlan::Rows {
                lookup,
                source,
                pool,
            } => {
                let place = format!("field `{name}`: embedding");
                let rows = rows(source, tensors, &place)?;
                let lookup = fitted(lookup, source, &rows, &place)?;
                builder.rows(at, &lookup, &rows, *pool)
            }
        };
        done.map_err(|error| wrong(&format!("field `{name}`"), error))?;
    }
    builder.finish().map_err(|error| wrong("[[fields]]", error))
}

/// An error of the front end at the place in the spec that it is about.
fn wrong(place: &str, error: FrontError) -> ModelError {
    match error {
        FrontError::Field {
            field,
            what,
            remedy,
        } => ModelError::Invalid {
            place: format!("field `{field}`"),
            what,
            remedy,
        },
        other => {
            let text = other.to_string();
            let (what, remedy) = text
                .split_once(": ")
                .unwrap_or((&text, "correct `vocabulary`"));
            ModelError::Invalid {
                place: place.into(),
                what: what.into(),
                remedy: remedy.into(),
            }
        }
    }
}

/// The rows of a table.
fn rows(source: &Source, tensors: &mut Tensors, place: &str) -> Result<Rows, ModelError> {
    let width = tensors.columns(&source.tensor, Layout::OutIn, place)?;
    let matrix = tensors.matrix(&source.tensor, Layout::OutIn, width, place)?;
    let name = tensor_name(source);
    let all = matrix.data.len().checked_div(width).unwrap_or(0);
    let (start, count) = source.window.unwrap_or((0, all));
    let end = start.saturating_add(count);
    if count == 0 || end > all {
        return Err(ModelError::Invalid {
            place: place.into(),
            what: format!("rows {start} to {end} of `{name}`, which has {all}"),
            remedy: "correct `rows`".into(),
        });
    }
    Ok(Rows {
        name,
        data: matrix.data[start * width..end * width].to_vec(),
        width,
    })
}

fn tensor_name(source: &Source) -> String {
    let parts = source.tensor.parts();
    parts.first().map_or_else(String::new, |p| p.name.clone())
}

/// The look-up of a field on the table that it has.
fn fitted(
    lookup: &Lookup,
    source: &Source,
    rows: &Rows,
    place: &str,
) -> Result<Lookup, ModelError> {
    let count = rows.count();
    let mut lookup = lookup.clone();
    match &mut lookup.keys {
        Keys::Rows(ids) => *ids = count,
        // As many rows as buckets: the one that is named for missing values is one of theirs.
        Keys::Buckets(_, rows) if rows.len() == count => *rows = (0..count).map(Some).collect(),
        _ => {}
    }
    let wanted = lookup.rows();
    // A row that lies behind all others was named by itself, and has its own message.
    if source.all && wanted.len() != count && wanted.iter().all(|row| *row < wanted.len()) {
        return Err(unlike(wanted.len(), rows, place));
    }
    if let Some(row) = wanted.iter().find(|row| **row >= count) {
        return Err(ModelError::Invalid {
            place: place.into(),
            what: format!("row {row} of `{}`, which has {count}", rows.name),
            remedy: "rows count from 0: correct the index in the vocabulary, `missing` or `other`"
                .into(),
        });
    }
    Ok(lookup)
}

/// A vocabulary and a table that were not made for each other.
fn unlike(wanted: usize, rows: &Rows, place: &str) -> ModelError {
    let found = rows.count();
    let remedy = match found.checked_sub(wanted) {
        Some(1) => {
            "is row 0 padding or the missing value? write `missing = 0`; is one row for unknown \
             values? name it with `other`"
        }
        Some(2) => {
            "are two rows for missing and for unknown values? write `missing = 0` and `other = 1`, \
             or where they stand"
        }
        _ => {
            "name the vocabulary that the model was trained with; one that names the row of each \
             token ({\"token\": 3}) may leave rows out"
        }
    };
    ModelError::Invalid {
        place: place.into(),
        what: format!(
            "{wanted} values (with those for missing and unknown ones), {found} rows in `{}`",
            rows.name
        ),
        remedy: remedy.into(),
    }
}
