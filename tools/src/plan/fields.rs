//! The fields of a plan: what a spec says of the record, and which tensors the tables come from.

use super::TensorRef;
use crate::front::build::{Lookup, Scaling};
use crate::front::{Field, Number, Pool};

/// The fields that a spec describes, in the order of the vector that training made of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FieldsPlan {
    /// In order.
    pub fields: Vec<FieldPlan>,
    /// `[[fields]]` and `[order]` of the spec, as text.
    pub text: String,
}

/// A field, and what the vector has of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldPlan {
    /// The field.
    pub field: Field,
    /// What the vector has of it.
    pub makes: MakesPlan,
}

/// What a field makes of itself.
#[derive(Debug, Clone, PartialEq)]
pub enum MakesPlan {
    /// A number.
    Number(Number, Scaling),
    /// One-hot columns, and how many there are.
    Hot(Lookup, usize),
    /// Rows of a table.
    Rows {
        /// From the value to a row. Where ids are rows, the tensor says how many there are.
        lookup: Lookup,
        /// Where the rows come from.
        source: Source,
        /// How the rows of a list become one.
        pool: Pool,
    },
}

/// Where the rows of a table come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The tensor, `[rows, width]`.
    pub tensor: TensorRef,
    /// The first of its rows that belong to the table, and how many do, where several tables lie in one
    /// tensor.
    pub window: Option<(usize, usize)>,
    /// Whether the look-up names all the rows that there are: a tensor with more or fewer was made for
    /// another vocabulary.
    pub all: bool,
}

impl FieldsPlan {
    /// The tensors of the tables.
    pub fn references(&self) -> impl Iterator<Item = &TensorRef> {
        self.fields.iter().filter_map(|f| match &f.makes {
            MakesPlan::Rows { source, .. } => Some(&source.tensor),
            MakesPlan::Number(..) | MakesPlan::Hot(..) => None,
        })
    }
}
