//! What is wrong with a data file.

use crate::graph::elements::NotOneHot;
use crate::import;

/// Why rows cannot be read. Every message says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum DataError {
    #[error("{path}: cannot be read: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("{path}: is a directory; give the file itself")]
    Directory { path: String },
    #[error("{path}: is empty (0 bytes)")]
    Empty { path: String },
    #[error("{path}: holds more than {most} bytes; give fewer rows at a time")]
    Endless { path: String, most: u64 },
    #[error("{path}: {reason}")]
    Arrays {
        path: String,
        reason: import::Reason,
    },
    #[error("{path}: {what}")]
    Format { path: String, what: String },
    #[error("{path}: line {line}: {what}")]
    Csv {
        path: String,
        line: u64,
        what: String,
    },
    #[error("{path}: no array `{name}`; it holds {found}")]
    NoArray {
        path: String,
        name: String,
        found: String,
    },
    #[error(
        "{path}: none of the model's fields ({}) is in it; it holds {found}. The model takes records: \
         give an array or a column for each field, by its name. Vectors are for a model that is \
         converted without [[fields]] and without --features, with record = \"vector\" in its spec",
        some(fields)
    )]
    NoFields {
        path: String,
        fields: Vec<String>,
        found: String,
    },
    #[error("{path}: array `{name}` has shape {found:?}, needed is {expected}")]
    Shape {
        path: String,
        name: String,
        found: Vec<usize>,
        expected: String,
    },
    #[error("{path}: {found} columns of features, the model takes {expected}{hint}")]
    Columns {
        path: String,
        found: usize,
        expected: usize,
        hint: &'static str,
    },
    #[error("{path}: column `{name}` stands twice in the header")]
    Repeated { path: String, name: String },
    #[error("{path}: column `{name}` is no feature of the model{near}")]
    Unknown {
        path: String,
        name: String,
        near: String,
    },
    #[error("{path}: the column{} {} missing: the model needs {}", if names.len() == 1 { "" } else { "s" }, list(names), if names.len() == 1 { "it" } else { "them" })]
    Missing { path: String, names: Vec<String> },
    #[error("{path}: the column `{name}` is missing: the model needs it; is `{near}` meant?")]
    Near {
        path: String,
        name: String,
        near: String,
    },
    #[error(
        "{path}: `{name}` holds {number} in row {row}: golden rows show nothing where a number is \
         not finite; make them again without that row"
    )]
    NotFinite {
        path: String,
        name: String,
        row: usize,
        number: f32,
    },
    #[error("{path}: row {row}: {why}")]
    NotOneHot {
        path: String,
        row: usize,
        why: NotOneHot,
    },
    #[error("{path}: it has no rows")]
    NoRows { path: String },
}

fn list(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", some(names))
}

/// The first of these names, and how many more there are.
fn some(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(5).map(|n| format!("`{n}`")).collect();
    match names.len().saturating_sub(5) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
