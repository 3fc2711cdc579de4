//! What people are told of the fields of a record.

use mmoe::blob::FeatureRecord;

use crate::engine::Runner;
use crate::front::{By, Coder, Feature, Field, Front, Makes, Pool, Table, Transform};

/// A feature in words, with what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldAbout {
    /// The field that it reads.
    pub name: String,
    /// What the caller gives.
    pub given: String,
    /// How that becomes a code.
    pub codes: String,
    /// What the vector gets of it.
    pub makes: String,
    /// Bytes of flash.
    pub bytes: usize,
    /// The root of the mean square of the numbers of its table, in a float model.
    pub size: Option<f64>,
}

/// One per feature of a blob that takes records, in order; none for one that takes a vector.
#[must_use]
pub fn fields(runner: &Runner<'_>) -> Vec<FieldAbout> {
    let Some(front) = runner.front() else {
        return Vec::new();
    };
    let integer = runner.model.is_integer();
    let records = runner.model.blob().features();
    let features = front.features.iter().zip(records).enumerate();
    features
        .map(|(at, (feature, record))| about(front, feature, record, at, integer))
        .collect()
}

fn about(
    front: &Front,
    feature: &Feature,
    record: &FeatureRecord,
    at: usize,
    integer: bool,
) -> FieldAbout {
    let field = &front.fields[feature.field];
    let own = usize::from(record.table) == at;
    let bytes = record
        .bytes(at, integer)
        .and_then(|b| b.total())
        .unwrap_or(0);
    let table = match feature.makes {
        Makes::Rows { table, .. } => front.tables.get(table),
        Makes::Number(_) | Makes::Slot { .. } => None,
    };
    FieldAbout {
        name: field.name.clone(),
        given: given(field, front.may_be_missing(feature.field)),
        codes: match feature.coder(front) {
            None => String::new(),
            Some(_) if !own => {
                let owner = front.features.get(usize::from(record.table));
                let owner = owner.and_then(|f| front.fields.get(f.field));
                format!("those of {}", owner.map_or("", |f| f.name.as_str()))
            }
            Some(coder) => codes(coder),
        },
        makes: makes(feature, table),
        bytes,
        size: table.filter(|_| !integer).map(|t| {
            let squares: f64 = t.rows.iter().map(|v| f64::from(*v).powi(2)).sum();
            (squares / t.rows.len().max(1) as f64).sqrt()
        }),
    }
}

fn given(field: &Field, missing: bool) -> String {
    let name = field.given.name();
    let part = if field.candidate { ", candidate" } else { "" };
    match field.list {
        Some(list) if list.keep_last => format!("last {} of {name}{part}", list.max),
        Some(list) => format!("first {} of {name}{part}", list.max),
        None if missing => format!("{name} or missing{part}"),
        None => format!("{name}{part}"),
    }
}

fn codes(coder: &Coder) -> String {
    match &coder.by {
        By::Direct { entries, .. } => format!("{entries} ids from 0"),
        By::Sorted { keys, .. } => format!("{} ids", keys.len()),
        By::Tokens { hashes, exact, .. } if *exact => format!("{} tokens", hashes.len()),
        By::Tokens { hashes, .. } => format!("{} tokens by hash", hashes.len()),
        By::Named { tokens, .. } => format!("an enum of {}", tokens.len()),
        By::Buckets(bounds) => format!("{} buckets", bounds.len() + 1),
        By::Farm(n) => format!("farm64 mod {n}"),
        By::Sip(n, _) => format!("sip24 mod {n}"),
        By::Murmur(n) => format!("murmur3 mod {n}"),
    }
}

fn makes(feature: &Feature, table: Option<&Table>) -> String {
    let width = table.map_or(0, |t| t.width);
    match &feature.makes {
        Makes::Number(number) => {
            let name = match number.transform {
                Transform::Identity => "the number",
                Transform::Log1p => "ln(1 + x)",
                Transform::Log10 { .. } => "log10(x)",
            };
            let clipped = if number.clip.is_some() {
                ", clipped"
            } else {
                ""
            };
            format!("{name}{clipped}")
        }
        Makes::Slot { columns, .. } => format!("one of {columns} columns"),
        Makes::Rows { pool, .. } => match pool {
            Pool::One => format!("a row of {width}"),
            Pool::Sum => format!("the sum of rows of {width}"),
            Pool::Mean => format!("the mean of rows of {width}"),
            Pool::Max => format!("the largest of rows of {width}"),
            Pool::Concat => format!("rows of {width} side by side"),
        },
    }
}
