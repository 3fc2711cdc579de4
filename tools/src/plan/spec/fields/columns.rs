//! The order of the vector from the names of its columns, as `pandas.get_dummies` gives them.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::super::Spec;
use super::super::raw::{self, Tokens};
use super::vocabulary::{self, Vocabulary};
use super::{MOST_NAMED, invalid};
use crate::error::{ModelError, near_names};

/// A field, and what the names of its columns say behind its own name; nothing of a number.
pub(super) struct Columns {
    /// Which field of the spec.
    pub(super) field: usize,
    /// One value per column.
    pub(super) values: Option<Vec<String>>,
}

/// The fields in the order of these columns.
pub(super) fn order(
    spec: &Spec,
    named: &Spanned<Tokens>,
    place: &str,
) -> Result<Vec<Columns>, ModelError> {
    let names = match vocabulary::read(named.as_ref(), Path::new(&spec.dir), place)? {
        Vocabulary::Listed(names) => names,
        Vocabulary::Indexed(mut names) => {
            names.sort_by_key(|(_, at)| *at);
            names.into_iter().map(|(name, _)| name).collect()
        }
    };
    let fields: Vec<&raw::Field> = spec.raw.fields.iter().map(Spanned::as_ref).collect();
    for field in &fields {
        if field.embedding.is_some() {
            return Err(invalid(
                place.into(),
                &format!("field `{}` has an embedding", field.name),
                "columns have names where each is a number or one of a one-hot field; give the order \
                 of fields in `vector`",
            ));
        }
    }
    let mut runs: Vec<(usize, Range<usize>)> = Vec::new();
    let mut left: Vec<&str> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match owner(&fields, name) {
            None => left.push(name),
            Some(field) => match runs.last_mut() {
                Some((last, run)) if *last == field && run.end == at => run.end = at + 1,
                _ => runs.push((field, at..at + 1)),
            },
        }
    }
    if let Some(first) = left.first() {
        let more = left.len() - 1;
        let also = left[1..].iter().take(MOST_NAMED);
        let also: String = also.map(|name| format!(", `{name}`")).collect();
        let also = if more > MOST_NAMED {
            format!("{also} and {} more", more - MOST_NAMED)
        } else {
            also
        };
        let near = near_names(first, fields.iter().map(|f| &f.name));
        let near = near.first().map_or_else(String::new, |near| {
            format!("; did you mean `{near}`, or is a one-hot field of that name?")
        });
        return Err(invalid(
            place.into(),
            &format!("no field has the column `{first}`{also}"),
            &format!(
                "a number has the column of its name, and a field with one_hot = true those that \
                 begin with it and `_`, or with `columns`{near}"
            ),
        ));
    }
    for (n, (field, _)) in runs.iter().enumerate() {
        if runs[..n].iter().any(|(before, _)| before == field) {
            return Err(invalid(
                place.into(),
                &format!(
                    "columns of `{}` do not stand side by side",
                    fields[*field].name
                ),
                "a field has one run of columns",
            ));
        }
    }
    if let Some(field) = (0..fields.len()).find(|f| runs.iter().all(|(field, _)| field != f)) {
        return Err(invalid(
            place.into(),
            &format!("no column belongs to field `{}`", fields[field].name),
            "correct its name or its `columns`, or leave it out",
        ));
    }
    let made = runs.into_iter().map(|(field, run)| {
        let prefix = prefix(fields[field]);
        let value = |name: &String| name.get(prefix.len()..).unwrap_or("").to_owned();
        let hot = fields[field].one_hot == Some(true);
        Columns {
            field,
            values: hot.then(|| names[run].iter().map(value).collect()),
        }
    });
    Ok(made.collect())
}

/// What the names of a one-hot field's columns begin with.
fn prefix(field: &raw::Field) -> String {
    match &field.columns {
        Some(pattern) => pattern.strip_suffix('*').unwrap_or(pattern).to_owned(),
        None => format!("{}_", field.name),
    }
}

/// The field of a column: the number of this name, or the one-hot field whose columns begin with most
/// of it.
fn owner(fields: &[&raw::Field], name: &str) -> Option<usize> {
    let hot = |f: &raw::Field| f.one_hot == Some(true);
    let number = fields.iter().position(|f| !hot(f) && f.name == *name);
    number.or_else(|| {
        let fits = fields.iter().enumerate().filter(|(_, f)| hot(f));
        let fits = fits.map(|(at, f)| (at, prefix(f)));
        let fits = fits.filter(|(_, prefix)| name.starts_with(prefix.as_str()));
        fits.max_by_key(|(_, prefix)| prefix.len())
            .map(|(at, _)| at)
    })
}
