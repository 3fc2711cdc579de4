//! Formulas: what stands for a number while a program runs on symbols.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::{Binary, Unary};

/// A formula.
pub(super) type Id = u32;

/// A formula or its value, whatever row it stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Known(f64),
    Of(Id),
}

/// How a number is made of the features.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Formula {
    /// A feature itself.
    Feature(u32),
    /// An element of the row of a table at this index.
    Row {
        table: u32,
        index: Id,
        column: u32,
    },
    /// What a map makes of a formula.
    Found {
        map: u32,
        of: Id,
    },
    /// The number of a text's bucket, of so many.
    Hashed(u32, Id),
    /// Factors times formulas, and a number. Of one term it is a scale and an offset.
    Sum(Rc<[(Id, f64)]>, f64),
    /// Of two different formulas, the lower first.
    Product(Id, Id),
    Function(Unary, Id),
    /// One of these logits' softmax.
    Softmax(Rc<[Id]>, u32),
    /// One of these numbers, brought to mean 0 (not with `rms`) and variance 1.
    Norm {
        group: Rc<[Id]>,
        index: u32,
        rms: bool,
        epsilon: f64,
    },
    /// One of the `k` largest of these, and where it stands.
    Largest(Rc<[Id]>, u32, u32),
    Place(Rc<[Id]>, u32, u32),
    /// One of the softmax of the `k` largest of these.
    LargestSoftmax(Rc<[Id]>, u32, u32),
    /// 1 where an element is one of the `k` largest of these, 0 elsewhere.
    IsLargest(Rc<[Id]>, u32, u32),
    /// One of the weights that a top-k gate gives for these logits.
    TopK {
        logits: Rc<[Id]>,
        k: u32,
        index: u32,
        renormalise: bool,
    },
    /// A comparison, a maximum or a minimum.
    Pair(Binary, Value, Value),
    /// `condition ? a : b`.
    Choice(Id, Value, Value),
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Known(v) => v.to_bits().hash(state),
            Self::Of(id) => id.hash(state),
        }
    }
}

impl Hash for Formula {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::Feature(at) => at.hash(state),
            Self::Row {
                table,
                index,
                column,
            } => (table, index, column).hash(state),
            Self::Found { map, of } => (map, of).hash(state),
            Self::Hashed(buckets, of) => (buckets, of).hash(state),
            Self::Sum(terms, bias) => {
                bias.to_bits().hash(state);
                for (id, factor) in terms.iter() {
                    (id, factor.to_bits()).hash(state);
                }
            }
            Self::Product(a, b) => (a, b).hash(state),
            // A number of the function may differ; equality tells.
            Self::Function(f, a) => (std::mem::discriminant(f), a).hash(state),
            Self::Softmax(group, at) => (group, at).hash(state),
            Self::Norm { group, index, .. } => (group, index).hash(state),
            Self::Largest(group, k, at)
            | Self::Place(group, k, at)
            | Self::LargestSoftmax(group, k, at)
            | Self::IsLargest(group, k, at) => (group, k, at).hash(state),
            Self::TopK {
                logits,
                k,
                index,
                renormalise,
            } => {
                (logits, k, index, renormalise).hash(state);
            }
            Self::Pair(f, a, b) => (f, a, b).hash(state),
            Self::Choice(condition, a, b) => (condition, a, b).hash(state),
        }
    }
}

impl Formula {
    /// The formulas that it is made of.
    pub(super) fn parts(&self, mut each: impl FnMut(Id)) {
        let mut value = |v: &Value| {
            if let Value::Of(id) = v {
                each(*id);
            }
        };
        match self {
            Self::Feature(_) => {}
            Self::Row { index: of, .. }
            | Self::Found { of, .. }
            | Self::Hashed(_, of)
            | Self::Function(_, of) => each(*of),
            Self::Sum(terms, _) => terms.iter().for_each(|(id, _)| each(*id)),
            Self::Product(a, b) => [*a, *b].into_iter().for_each(each),
            Self::Softmax(group, _)
            | Self::Norm { group, .. }
            | Self::Largest(group, ..)
            | Self::Place(group, ..)
            | Self::LargestSoftmax(group, ..)
            | Self::IsLargest(group, ..)
            | Self::TopK { logits: group, .. } => group.iter().copied().for_each(each),
            Self::Pair(_, a, b) => [a, b].into_iter().for_each(value),
            Self::Choice(condition, a, b) => {
                [&Value::Of(*condition), a, b]
                    .into_iter()
                    .for_each(&mut value);
            }
        }
    }
}
