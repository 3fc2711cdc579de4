//! The spec as TOML has it, key by key; `docs/spec.md` describes it.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

/// A whole spec.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) name: Option<String>,
    pub(super) version: Option<u32>,
    pub(super) layout: Option<Layout>,
    /// Whether the blob takes records, as the weights' file has them.
    pub(super) record: Option<Spanned<String>>,
    /// What files of features do not say, field by field.
    #[serde(default)]
    pub(super) features: crate::features::Spec,
    /// Tensors that take part in nothing.
    #[serde(default)]
    pub(super) ignore: Vec<String>,
    pub(super) defaults: Option<Spanned<Words>>,
    #[serde(default)]
    pub(super) inputs: Vec<Input>,
    #[serde(default)]
    pub(super) fields: Vec<Spanned<Field>>,
    pub(super) order: Option<Spanned<Order>>,
    pub(super) stem: Option<Spanned<Words>>,
    pub(super) experts: Option<Spanned<Units>>,
    pub(super) gates: Option<Spanned<Gates>>,
    pub(super) towers: Option<Spanned<Units>>,
    #[serde(default)]
    pub(super) levels: Vec<Spanned<Level>>,
    #[serde(default)]
    pub(super) tasks: Vec<Spanned<Task>>,
}

#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum Layout {
    OutIn,
    InOut,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) mean: Option<f64>,
    pub(super) std: Option<f64>,
    /// Whether at most one of its columns is 1, and the others 0: the blob takes a code for it.
    pub(super) one_hot: Option<bool>,
}

/// A raw field of a record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) given: Spanned<GivenAs>,
    pub(super) max: Option<usize>,
    pub(super) keep: Option<String>,
    pub(super) separator: Option<String>,
    pub(super) padding: Option<Special>,
    #[serde(default)]
    pub(super) missing_values: Vec<String>,
    pub(super) vocabulary: Option<Spanned<Tokens>>,
    pub(super) missing: Option<Special>,
    pub(super) other: Option<Special>,
    #[serde(rename = "match")]
    pub(super) match_by: Option<String>,
    pub(super) embedding: Option<Spanned<String>>,
    pub(super) rows: Option<Slice>,
    pub(super) one_hot: Option<bool>,
    /// How many columns a one-hot field has.
    pub(super) count: Option<usize>,
    /// What the names of its columns begin with, and `*`.
    pub(super) columns: Option<String>,
    pub(super) buckets: Option<Vec<f64>>,
    pub(super) hash: Option<Hash>,
    pub(super) pool: Option<String>,
    pub(super) empty: Option<String>,
    pub(super) part: Option<String>,
    pub(super) transform: Option<String>,
    pub(super) threshold: Option<f64>,
    pub(super) below: Option<f64>,
    pub(super) clip: Option<[f64; 2]>,
    pub(super) range: Option<[f64; 2]>,
    pub(super) mean: Option<f64>,
    pub(super) std: Option<f64>,
}

/// `"id"`, or `["id"]` for a list.
#[derive(Debug, Deserialize, Clone)]
#[serde(
    untagged,
    expecting = "\"f32\", \"i32\", \"id\", \"text\", [\"id\"] or [\"text\"]"
)]
pub(super) enum GivenAs {
    One(String),
    List([String; 1]),
}

/// A row of a table, a number, or a word.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged, expecting = "a number, or \"zero\"")]
pub(super) enum Special {
    Index(i64),
    Number(f64),
    Word(String),
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(i) => write!(f, "{i}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}

/// A file of tokens, or the tokens themselves.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged, expecting = "the path of a file, or a list of tokens")]
pub(super) enum Tokens {
    File(String),
    List(Vec<Special>),
}

#[derive(Debug, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Hash {
    pub(super) kind: String,
    pub(super) buckets: u32,
    pub(super) key: Option<[u64; 2]>,
}

/// The order in which training put fields side by side.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    pub(super) vector: Option<Vec<String>>,
    /// The names of all columns of the vector.
    pub(super) columns: Option<Spanned<Tokens>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Level {
    pub(super) experts: Spanned<Units>,
    pub(super) gates: Option<Spanned<Gates>>,
}

/// Experts or towers: `count` alike, or a `list` of groups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    pub(super) count: Option<usize>,
    pub(super) names: Option<Vec<String>>,
    pub(super) layers: Option<Vec<Spanned<Layer>>>,
    pub(super) reads: Option<Spanned<Reads>>,
    pub(super) slice: Option<Slice>,
    pub(super) activation: Option<Spanned<String>>,
    pub(super) last_activation: Option<Spanned<String>>,
    pub(super) slope: Option<f64>,
    pub(super) norm: Option<Spanned<String>>,
    pub(super) groups: Option<usize>,
    pub(super) after_activation: Option<bool>,
    pub(super) epsilon: Option<f64>,
    pub(super) residual: Option<bool>,
    #[serde(default)]
    pub(super) list: Vec<Spanned<Self>>,
}

/// What is true of all layers of a part: answers to what a file leaves open.
#[derive(Debug, Deserialize, Default, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    pub(super) activation: Option<Spanned<String>>,
    pub(super) last_activation: Option<Spanned<String>>,
    pub(super) slope: Option<f64>,
    pub(super) norm: Option<Spanned<String>>,
    pub(super) groups: Option<usize>,
    pub(super) after_activation: Option<bool>,
    pub(super) epsilon: Option<f64>,
    pub(super) residual: Option<bool>,
    pub(super) layout: Option<Layout>,
    pub(super) rows: Option<Rows>,
    /// How many dense layers stand before experts and gates.
    pub(super) before: Option<usize>,
}

/// What rows of data hold.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rows {
    /// What enters the first layers.
    Raw,
    /// What enters experts and gates.
    Prepared,
}

macro_rules! words {
    ($($of:ty),*) => {$(
        impl $of {
            /// Its words.
            pub(super) fn words(&self) -> Words {
                Words {
                    activation: self.activation.clone(),
                    last_activation: self.last_activation.clone(),
                    slope: self.slope,
                    norm: self.norm.clone(),
                    groups: self.groups,
                    after_activation: self.after_activation,
                    epsilon: self.epsilon,
                    residual: self.residual,
                    layout: None,
                    rows: None,
                    before: None,
                }
            }
        }
    )*};
}
words!(Units, Gates);

impl Words {
    /// The same, what is missing taken from `other`.
    pub(super) fn or(self, other: Option<&Self>) -> Self {
        let Some(other) = other.cloned() else {
            return self;
        };
        Self {
            activation: self.activation.or(other.activation),
            last_activation: self.last_activation.or(other.last_activation),
            slope: self.slope.or(other.slope),
            norm: self.norm.or(other.norm),
            groups: self.groups.or(other.groups),
            after_activation: self.after_activation.or(other.after_activation),
            epsilon: self.epsilon.or(other.epsilon),
            residual: self.residual.or(other.residual),
            layout: self.layout.or(other.layout),
            rows: self.rows.or(other.rows),
            before: self.before.or(other.before),
        }
    }
}

impl Units {
    /// Whether it says words alone, and leaves the layers to recognition.
    pub(super) fn is_partial(&self) -> bool {
        self.count.is_none()
            && self.names.is_none()
            && self.layers.is_none()
            && self.reads.is_none()
            && self.slice.is_none()
            && self.list.is_empty()
    }
}

impl Gates {
    /// Whether it says words alone, and leaves the layers to recognition.
    pub(super) fn is_partial(&self) -> bool {
        let constant = self.weights.is_some();
        self.count.is_none()
            && self.shared.is_none()
            && self.layers.is_none()
            && self.reads.is_none()
            && self.slice.is_none()
            && self.sees.is_none()
            && self.priors.is_none()
            && !constant
            && self.list.is_empty()
    }
}

/// Gates: one per task alike, one for all, or a `list` of groups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gates {
    pub(super) count: Option<usize>,
    pub(super) shared: Option<bool>,
    pub(super) layers: Option<Vec<Spanned<Layer>>>,
    pub(super) reads: Option<Spanned<Reads>>,
    pub(super) slice: Option<Slice>,
    pub(super) kind: Option<Spanned<String>>,
    pub(super) k: Option<usize>,
    pub(super) renormalise: Option<bool>,
    pub(super) temperature: Option<f64>,
    pub(super) sees: Option<Vec<Spanned<ExpertName>>>,
    pub(super) priors: Option<Vec<PerGate>>,
    pub(super) weights: Option<Vec<PerGate>>,
    /// What is not answered yet.
    #[serde(default)]
    pub(super) open: Vec<Spanned<Doubt>>,
    pub(super) activation: Option<Spanned<String>>,
    pub(super) last_activation: Option<Spanned<String>>,
    pub(super) slope: Option<f64>,
    pub(super) norm: Option<Spanned<String>>,
    pub(super) groups: Option<usize>,
    pub(super) after_activation: Option<bool>,
    pub(super) epsilon: Option<f64>,
    pub(super) residual: Option<bool>,
    #[serde(default)]
    pub(super) list: Vec<Spanned<Self>>,
}

/// Numbers for all gates of a group, or a list of them for each.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged, expecting = "a number, or a list of numbers per gate")]
pub(super) enum PerGate {
    Number(f64),
    List(Vec<f64>),
}

/// An expert by its index in the level or by its name.
#[derive(Debug, Deserialize, Clone)]
#[serde(untagged, expecting = "an expert's index or name")]
pub(super) enum ExpertName {
    Index(usize),
    Name(String),
}

/// `"input"`, the index of a stream, a pattern for one, or a list of these.
#[derive(Debug, Deserialize, Clone)]
#[serde(
    untagged,
    expecting = "\"input\", the index of a gate of the level before, a pattern such as \
                 \"{task}\", or a list of these"
)]
pub(super) enum Reads {
    Index(usize),
    Text(String),
    Each(Vec<Self>),
}

#[derive(Debug, Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(super) struct Slice {
    pub(super) start: usize,
    pub(super) count: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) weight: Option<Spanned<Names>>,
    pub(super) bias: Option<Spanned<Names>>,
    pub(super) layout: Option<Layout>,
    pub(super) activation: Option<Spanned<String>>,
    pub(super) slope: Option<Spanned<Slope>>,
    pub(super) batch_norm: Option<Spanned<Norm>>,
    pub(super) layer_norm: Option<Spanned<Norm>>,
    pub(super) rms_norm: Option<Spanned<Norm>>,
    pub(super) group_norm: Option<Spanned<Norm>>,
    pub(super) l2_norm: Option<Spanned<Norm>>,
    pub(super) scale: Option<Spanned<Norm>>,
    pub(super) dice: Option<Spanned<Dice>>,
    #[serde(default)]
    pub(super) residual: bool,
    /// Over how many layers it goes, this one being the last.
    pub(super) residual_layers: Option<usize>,
    /// What is not answered yet.
    #[serde(default)]
    pub(super) open: Vec<Spanned<Doubt>>,
}

/// What a draft leaves open about a layer or a gate.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Doubt {
    Activation,
    Norm,
    AfterActivation,
    Epsilon,
    Layout,
    Residual,
    Kind,
}

/// A Dice: its slope, and the batch norm that decides; without one each row decides for itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dice {
    pub(super) alpha: Spanned<Names>,
    pub(super) gamma: Option<Spanned<Names>>,
    pub(super) beta: Option<Spanned<Names>>,
    pub(super) mean: Option<Spanned<Names>>,
    pub(super) variance: Option<Spanned<Names>>,
    pub(super) epsilon: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Norm {
    pub(super) prefix: Option<Spanned<Names>>,
    pub(super) gamma: Option<Spanned<Names>>,
    pub(super) beta: Option<Spanned<Names>>,
    pub(super) mean: Option<Spanned<Names>>,
    pub(super) variance: Option<Spanned<Names>>,
    pub(super) epsilon: Option<f64>,
    pub(super) groups: Option<usize>,
    pub(super) after_activation: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) activation: Spanned<String>,
    pub(super) of: Option<Vec<String>>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

/// One pattern, or one reference per expert, gate or task.
#[derive(Debug, Clone)]
pub(super) enum Names {
    One(Reference),
    Each(Vec<Reference>),
}

/// A tensor's name, or a table that says which part of it or which tensors together.
#[derive(Debug, Clone)]
pub(super) enum Reference {
    Name(String),
    Table(Table),
}

#[derive(Debug, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) name: Option<String>,
    pub(super) axis: Option<usize>,
    pub(super) index: Option<usize>,
    pub(super) rows: Option<Vec<Reference>>,
    pub(super) sum: Option<Vec<Reference>>,
    pub(super) numbers: Option<Vec<f64>>,
    /// Rows and columns of a matrix put together from blocks.
    pub(super) size: Option<[usize; 2]>,
    pub(super) blocks: Option<Vec<Block>>,
}

/// What is added to a matrix, from a row and a column on: a tensor times a factor, one number
/// repeated, an identity, or a run of one value.
#[derive(Debug, Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(super) struct Block {
    pub(super) at: [usize; 2],
    pub(super) tensor: Option<Reference>,
    pub(super) factor: Option<f64>,
    pub(super) repeat: Option<usize>,
    pub(super) identity: Option<usize>,
    pub(super) value: Option<f64>,
    pub(super) count: Option<usize>,
}

/// A leaky relu's number or a PReLU's tensor.
#[derive(Debug, Clone)]
pub(super) enum Slope {
    Number(f64),
    Tensor(Names),
}

/// One visitor for the three types that may be a string, a list, a table or a number: serde's
/// untagged enumerations would lose the name of an unknown key.
struct Any;

enum Found {
    Text(String),
    List(Vec<Reference>),
    Table(Table),
    Number(f64),
}

impl<'de> Visitor<'de> for Any {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a tensor's name, a list of names, or a table such as { name = \"…\", axis = 2 }",
        )
    }

    fn visit_str<E>(self, v: &str) -> Result<Found, E> {
        Ok(Found::Text(v.to_owned()))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a slope written without a point is small"
    )]
    fn visit_i64<E>(self, v: i64) -> Result<Found, E> {
        Ok(Found::Number(v as f64))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Found, E> {
        Ok(Found::Number(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Found, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Found::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Found, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(Found::Table)
    }
}

fn unexpected<E: serde::de::Error>(found: &str) -> E {
    E::invalid_type(serde::de::Unexpected::Other(found), &Any)
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match d.deserialize_any(Any)? {
            Found::Text(text) => Ok(Self::Name(text)),
            Found::Table(table) => Ok(Self::Table(table)),
            Found::List(_) => Err(unexpected("list")),
            Found::Number(_) => Err(unexpected("number")),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match d.deserialize_any(Any)? {
            Found::Text(text) => Ok(Self::One(Reference::Name(text))),
            Found::Table(table) => Ok(Self::One(Reference::Table(table))),
            Found::List(list) => Ok(Self::Each(list)),
            Found::Number(_) => Err(unexpected("number")),
        }
    }
}

impl<'de> Deserialize<'de> for Slope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match d.deserialize_any(Any)? {
            Found::Number(n) => Self::Number(n),
            Found::Text(text) => Self::Tensor(Names::One(Reference::Name(text))),
            Found::Table(table) => Self::Tensor(Names::One(Reference::Table(table))),
            Found::List(list) => Self::Tensor(Names::Each(list)),
        })
    }
}
