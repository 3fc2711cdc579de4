//! What a record holds.

use std::fmt;

/// The value of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Not there.
    Missing,
    /// A number; NaN counts as missing.
    Number(f32),
    /// A whole number with a sign.
    Int(i32),
    /// An id, or the index of an enumeration.
    Id(u32),
    /// Text.
    Text(String),
    /// A list of ids.
    Ids(Vec<u32>),
    /// A list of texts.
    Texts(Vec<String>),
}

/// One value, or one item of a list, as a coder takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Item<'v> {
    /// A number.
    Number(f32),
    /// A whole number with a sign.
    Int(i32),
    /// An id.
    Id(u32),
    /// Text.
    Text(&'v str),
}

impl Value {
    /// The value as one item; `None` for a list, and where there is none.
    #[must_use]
    pub fn item(&self) -> Option<Item<'_>> {
        Some(match self {
            Self::Number(x) => Item::Number(*x),
            Self::Int(x) => Item::Int(*x),
            Self::Id(x) => Item::Id(*x),
            Self::Text(x) => Item::Text(x),
            Self::Missing | Self::Ids(_) | Self::Texts(_) => return None,
        })
    }
}

impl fmt::Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Id(x) => write!(f, "{x}"),
            Self::Text(x) => f.write_str(x),
        }
    }
}

/// Why a record is none of this model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message explains its fields")]
pub enum RecordError {
    #[error("the record has {found} values, the model takes {expected} fields")]
    Length { expected: usize, found: usize },
    #[error(
        "field {field}, `{name}`: the value is of another kind than the field, or missing where the \
         model knows no missing value"
    )]
    Kind { field: usize, name: String },
}
