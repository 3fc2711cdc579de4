//! A restricted unpickler: it builds numbers, strings, containers and descriptions of torch tensors
//! and NumPy arrays; whatever else a pickle asks for becomes an inert object of that name. Nothing
//! is ever imported or called.
//!
//! Objects stand in an arena and refer to each other by index, so that shared and cyclic ones cost
//! nothing extra and nothing here recurses.

mod classes;
mod machine;

use super::Reason;
use super::collect::{ByteOrder, Dtype};
pub(super) use classes::{Class, SHARDED};
pub(super) use machine::unpickle;

/// An object's index in the arena.
pub(super) type Id = u32;

/// An unpickled object. Strings and bytes lie in the pickle.
#[derive(Debug)]
pub(super) enum Value<'a> {
    /// `None`, and all that is of no use to us: integers beyond 64 bits, NumPy scalars.
    Other,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Bytes that Python 2's pickles spell as a string, a character each.
    Latin1(&'a str),
    Class(Class<'a>),
    Tuple(Box<[Id]>),
    /// A list, set or frozenset.
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Storage(Storage<'a>),
    /// A type of NumPy's, such as `f4`, and its byte order.
    NumpyType(&'a str, ByteOrder),
    /// A NumPy array before its content is known.
    EmptyArray,
    Tensor(Box<TensorRef<'a>>),
    /// A tensor of a kind that is not read.
    Odd(Odd),
    Object(Box<Object<'a>>),
}

/// A tensor that is not read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Odd {
    /// What it is, for a message.
    pub(super) kind: &'static str,
    /// What to save instead.
    pub(super) remedy: &'static str,
}

impl Odd {
    /// Why the tensor is not read.
    pub(super) fn refuse(&self, tensor: String) -> Reason {
        Reason::Kind {
            tensor,
            kind: self.kind.to_owned(),
            remedy: self.remedy,
        }
    }
}

/// A buffer of elements that stands outside of the pickle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Storage<'a> {
    pub(super) elements: Elements,
    pub(super) key: &'a str,
}

/// What a storage's elements are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Elements {
    Known(Dtype),
    /// Bytes: the tensor says what they are.
    Untyped,
    /// Of a type that is not read, and how many bytes each has.
    Odd(Odd, usize),
}

impl Elements {
    /// Bytes of each.
    pub(super) fn size(self) -> usize {
        match self {
            Elements::Known(dtype) => dtype.size(),
            Elements::Untyped => 1,
            Elements::Odd(_, size) => size,
        }
    }
}

/// A view on a buffer of elements.
#[derive(Debug, Clone)]
pub(super) struct TensorRef<'a> {
    pub(super) buffer: Buffer<'a>,
    pub(super) dtype: Dtype,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Where a tensor's elements are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Buffer<'a> {
    /// In the storage of this key.
    Storage(&'a str),
    /// In the pickle.
    Bytes(&'a [u8], ByteOrder),
    /// In the pickle, each byte a character.
    Latin1(&'a str, ByteOrder),
}

/// An object of a class that means nothing to us, never made: its name, and what the pickle would
/// have given to it.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) module: &'a str,
    pub(super) name: &'a str,
    /// What it contains, if it is a list or a dictionary.
    pub(super) list: Vec<Id>,
    pub(super) items: Vec<(Id, Id)>,
    /// What it was made of, and its state: a tuple and, for most, a dictionary of attributes.
    pub(super) arguments: Id,
    pub(super) state: Option<Id>,
}

/// The objects of one pickle.
#[derive(Debug)]
pub(super) struct Unpickled<'a> {
    arena: Vec<Value<'a>>,
    /// The object that was pickled.
    pub(super) root: Id,
    /// How many bytes the pickle takes.
    pub(super) len: usize,
}

impl<'a> Unpickled<'a> {
    pub(super) fn get(&self, id: Id) -> &Value<'a> {
        &self.arena[id as usize]
    }

    /// All objects, in the order in which they were made.
    pub(super) fn all(&self) -> impl Iterator<Item = &Value<'a>> {
        self.arena.iter()
    }

    /// A string, however it was written.
    pub(super) fn text(&self, id: Id) -> Option<&'a str> {
        text(self.get(id))
    }

    /// The entries of a dictionary, or of an object that is one.
    pub(super) fn items(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(items) => Some(items),
            Value::Object(object) => Some(&object.items),
            _ => None,
        }
    }

    /// The value of a dictionary's key.
    pub(super) fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let items = self.items(dict)?.iter().rev();
        let mut found = items.filter(|(k, _)| self.text(*k) == Some(key));
        found.next().map(|(_, value)| *value)
    }

    /// The dictionary of an object's attributes: its state, or what it was made of.
    pub(super) fn attributes(&self, object: &Object<'_>) -> Option<Id> {
        let is_dict = |id: &Id| matches!(self.get(*id), Value::Dict(_));
        let within = |id: Id| match self.get(id) {
            Value::Dict(_) => Some(id),
            // Attributes and those of slots, or arguments.
            Value::Tuple(parts) => parts.iter().copied().find(is_dict),
            _ => None,
        };
        within(object.state.unwrap_or(object.arguments))
    }
}

/// Python 2 wrote its strings as bytes.
fn text<'a>(value: &Value<'a>) -> Option<&'a str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
