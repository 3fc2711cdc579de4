//! Keras' preprocessing layers in front of the vector that experts and gates read, as a front end.
//!
//! Layers are followed from the inputs on. Whatever depends on one code alone (look-ups, embeddings,
//! one-hot encodings, dense layers behind an embedding) is a table of rows, one for each code.

use std::collections::HashSet;
use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use super::config::{Layer, Model, Tensor};
use super::preprocess::{self, Layers};
use crate::front::build::{Builder, Keys, Lookup, Rows, Scaling};
use crate::front::record::Record;
use crate::front::{Bounds, Field, Given, List, Number, Pool, Transform};
use crate::graph::rules::MAX_WIDTH;
use crate::plan::recognise::Unread;
use crate::plan::recognise::names::Names;

/// The classes of layers that say that a model takes raw records, and not ids that somebody counted.
pub(super) const PREPROCESSING: &[&str] = &[
    "StringLookup",
    "IntegerLookup",
    "Hashing",
    "HashedCrossing",
    "Discretization",
    "CategoryEncoding",
    "TextVectorization",
];

/// Layers that no record has, and what to do instead.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "TextVectorization",
        "a TextVectorization, which takes a text apart on the device,",
        "split the text before the model, and give a StringLookup with the same vocabulary the list of \
         words",
    ),
    (
        "HashedCrossing",
        "a HashedCrossing of several inputs",
        "give both values as one text, as \"DE|phone\", to a Hashing layer, and train with that",
    ),
];

/// An input of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// How many values it has.
    pub(super) items: usize,
}

/// What an input is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    /// Whole numbers, of up to so many bits.
    Int(u32),
    Text,
}

/// Codes of an input's values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Coded {
    pub(super) source: Source,
    pub(super) given: Given,
    pub(super) lookup: Lookup,
    /// What fills a list up and is no item, as text.
    pub(super) padding: Option<String>,
    /// The layer that made the codes, to tell a mask of them.
    made_by: Tensor,
}

/// Rows that stand for codes.
#[derive(Debug, Clone, PartialEq)]
struct Made {
    coded: Coded,
    rows: Rc<Rows>,
    /// Whether code 0 is no item of a list.
    masked: bool,
}

/// A number of an input, on its way: `factor · f(x) + addend`.
#[derive(Debug, Clone, PartialEq)]
struct Scaled {
    source: Source,
    index: usize,
    transform: Transform,
    factor: f64,
    addend: f64,
}

/// A finished part of the vector.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Number(Scaled),
    Rows(Made, Pool),
    /// So many columns, of which codes are 1.
    Hot(Coded, usize),
}

/// What a tensor in front of the vector is.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Input(Source, Tensor),
    Numbers(Vec<Scaled>),
    Codes(Coded),
    Rows(Made),
    /// Where these codes are not 0.
    Mask(Tensor),
    Vector(Vec<Piece>),
}

type Read<T> = Result<T, Unread>;

/// Models stand in models no deeper than this.
const DEEPEST: usize = 16;

/// Reads what makes the output of the layer `base`, which may stand in a model within the model.
pub(super) fn read(names: &Names<'_>, model: &Model<'_>, base: &str) -> Read<Record> {
    let unread = |what: &str, remedy: &str| Unread {
        place: format!("layer `{base}`"),
        what: what.into(),
        remedy: remedy.into(),
    };
    let mut made = Vec::new();
    run(names, model, None, base, 0, &mut made)?;
    let part = match (made.pop(), made.pop()) {
        (Some(part), None) => part?,
        (None, _) => {
            let what = "a graph that does not reach it from the inputs";
            return Err(unread(what, "save the model again"));
        }
        _ => {
            return Err(unread(
                "a layer that is used twice",
                "give layers names of their own",
            ));
        }
    };
    let record = finish(part);
    let mut record = record.map_err(|e| unread(&e.to_string(), "correct the model"))?;
    record.of_weights = true;
    Ok(record)
}

/// Follows a model from its inputs on, and notes the pieces that the layer `base` makes; `given` enters
/// a model that stands in another. Returns what leaves the model.
fn run(
    names: &Names<'_>,
    model: &Model<'_>,
    given: Option<Vec<Read<Part>>>,
    base: &str,
    depth: usize,
    made: &mut Vec<Read<Vec<Piece>>>,
) -> Read<Vec<Read<Part>>> {
    let mut values: IndexMap<Tensor, Read<Part>> = IndexMap::new();
    let entries = given.into_iter().flatten();
    values.extend(model.inputs.iter().cloned().zip(entries));
    let calls = model.layers.iter();
    let mut left: Vec<(&Layer<'_>, usize)> = calls
        .flat_map(|l| (0..l.calls.len().max(1)).map(move |call| (l, call)))
        .collect();
    // Layers may stand in any order: whatever has all its sources is next.
    while !left.is_empty() {
        let mut later = Vec::new();
        let before = left.len();
        for (layer, call) in left {
            let none = Vec::new();
            let sources = layer.calls.get(call).unwrap_or(&none);
            let this = (layer.name.clone(), call, 0);
            let given: Option<Vec<&Read<Part>>> = sources.iter().map(|s| values.get(s)).collect();
            let (Some(given), false) = (given, values.contains_key(&this)) else {
                if !values.contains_key(&this) {
                    later.push((layer, call));
                }
                continue;
            };
            let walk = Walk { names, layer };
            if matches!(layer.class, "Functional" | "Sequential") {
                let given = given.into_iter().cloned().collect();
                let inner = walk.inner(depth)?;
                let ends = run(names, &inner, Some(given), base, depth + 1, made)?;
                let ends = ends.into_iter().enumerate();
                values.extend(ends.map(|(i, end)| ((layer.name.clone(), call, i), end)));
                continue;
            }
            // The first layer that is not read is the one to name.
            let given: Read<Vec<Part>> = given.into_iter().cloned().collect();
            let part = given.and_then(|given| walk.part(this.clone(), sources, given));
            if layer.name == base {
                made.push(part.clone().and_then(|part| walk.pieces(part)));
            }
            values.insert(this, part);
        }
        if later.len() == before {
            break;
        }
        left = later;
    }
    let ends = model
        .outputs
        .iter()
        .filter_map(|(t, _)| values.get(t).cloned());
    Ok(ends.collect())
}

/// Names of the layers that the output of the layer `base` depends on, itself among them: of the model
/// in which it stands, if that is in this one.
pub(super) fn before(model: &Model<'_>, base: &str) -> HashSet<String> {
    let holds = |l: &&Layer<'_>| {
        l.name == base
            || (matches!(l.class, "Functional" | "Sequential")
                && l.config.to_string().contains(base))
    };
    let mut before = HashSet::new();
    let mut left: Vec<String> = model
        .layers
        .iter()
        .filter(holds)
        .map(|l| l.name.clone())
        .collect();
    while let Some(name) = left.pop() {
        let layer = model.layer(&name);
        if before.insert(name) {
            let calls = layer.iter().flat_map(|l| l.calls.iter().flatten());
            left.extend(calls.map(|(source, _, _)| source.clone()));
        }
    }
    before
}

/// One layer, to be read.
pub(super) struct Walk<'w, 'a> {
    pub(super) names: &'w Names<'a>,
    pub(super) layer: &'w Layer<'a>,
}

impl<'a> Walk<'_, 'a> {
    /// The model that this layer is.
    fn inner(&self, depth: usize) -> Read<Model<'a>> {
        if depth == DEEPEST {
            return Err(self.unread("models in models without end", "save the model again"));
        }
        let paths = self.layer.paths.iter().chain(&self.layer.places);
        let containers: Vec<String> = paths.map(|path| format!("{path}/layers")).collect();
        let Layer { class, config, .. } = self.layer;
        let model = Model::read(self.names, class, config, &containers);
        let model = model.map_err(|e| self.unread(&e.to_string(), "save the model again"))?;
        let enters = |t: &Tensor| model.layer(&t.0).is_some_and(|l| l.class == "InputLayer");
        if !model.inputs.iter().all(enters) {
            return Err(self.unread(
                "a model within the model that says no input",
                "save it built",
            ));
        }
        Ok(model)
    }

    pub(super) fn unread(&self, what: &str, remedy: &str) -> Unread {
        Unread {
            place: format!("layer `{}`", self.layer.name),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    fn part(&self, this: Tensor, sources: &[Tensor], mut given: Vec<Part>) -> Read<Part> {
        let class = self.layer.class;
        if let Some((_, what, remedy)) = REFUSED.iter().find(|(name, ..)| *name == class) {
            return Err(self.unread(what, remedy));
        }
        if class == "InputLayer" {
            return self.input().map(|source| Part::Input(source, this));
        }
        if class == "Concatenate" {
            let pieces = given.into_iter().map(|part| self.pieces(part));
            let pieces: Vec<Piece> = pieces.collect::<Read<Vec<_>>>()?.concat();
            let width: usize = pieces.iter().map(Piece::width).sum();
            if width > MAX_WIDTH {
                return Err(self.unread("a wider vector than a model takes", "make it narrower"));
            }
            return Ok(Part::Vector(pieces));
        }
        let mask = match given.pop_if(|part| matches!(part, Part::Mask(_))) {
            Some(Part::Mask(of)) => Some(of),
            _ => None,
        };
        let mut given = given.into_iter();
        let (Some(part), None) = (given.next(), given.next()) else {
            return Err(self.class("with several inputs"));
        };
        match (class, part) {
            (
                "Dropout" | "Identity" | "Activation" | "GaussianNoise" | "ActivityRegularization",
                part,
            ) if class != "Activation" || self.text("activation") == Some("linear") => Ok(part),
            ("Flatten" | "Reshape", part) => self.flat(part),
            ("NotEqual", Part::Codes(_) | Part::Input(..)) => {
                Ok(Part::Mask(sources.first().cloned().unwrap_or(this)))
            }
            ("Normalization" | "Rescaling" | "Log1p", part) => self.numbers(part),
            (
                "Discretization" | "StringLookup" | "IntegerLookup" | "Hashing",
                Part::Input(s, _),
            ) => {
                let layers = Layers { walk: self };
                let lookup = match class {
                    "Discretization" => layers.discretization(&s)?,
                    "Hashing" => layers.hashing(&s)?,
                    _ => layers.vocabulary(&s)?,
                };
                let (given, lookup, padding, codes) = lookup;
                let coded = Coded {
                    source: s,
                    given,
                    lookup,
                    padding,
                    made_by: this,
                };
                match self.text("output_mode") {
                    Some("int") => Ok(Part::Codes(coded)),
                    mode => self.encode(coded, codes, mode),
                }
            }
            ("CategoryEncoding", Part::Codes(coded)) => {
                if coded.padding.is_some() && coded.source.items > 1 {
                    return Err(self.unread(
                        "a CategoryEncoding of a look-up with a mask, which sets the column of the \
                         mask for each item that a list lacks",
                        "give the look-up output_mode=\"multi_hot\"",
                    ));
                }
                self.encode(coded, self.count("num_tokens")?, self.text("output_mode"))
            }
            ("CategoryEncoding", Part::Input(source, tensor)) => {
                let columns = self.count("num_tokens")?;
                let coded = self.ids(source, tensor, columns)?;
                self.encode(coded, columns, self.text("output_mode"))
            }
            ("Embedding", part) => self.embedding(part),
            ("Dense", Part::Rows(made)) => self.dense(made),
            ("GlobalAveragePooling1D", Part::Rows(made)) => self.average(made, mask),
            ("GlobalMaxPooling1D", _) => Err(self.unread(
                "a GlobalMaxPooling1D, which takes the row of what fills a list up for an item,",
                "train with GlobalAveragePooling1D behind an Embedding with mask_zero=True",
            )),
            _ => Err(self.class("")),
        }
    }

    fn class(&self, how: &str) -> Unread {
        let class = self.layer.class;
        let space = if how.is_empty() { "" } else { " " };
        self.unread(
            &format!("the Keras layer `{class}`{space}{how} here"),
            "there are Normalization, Rescaling, Discretization, StringLookup, IntegerLookup, \
             Hashing, CategoryEncoding, Embedding, GlobalAveragePooling1D, Flatten, Reshape, \
             Concatenate, Log1p, and Dense behind an embedding",
        )
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.layer.config.get(key).and_then(Value::as_str)
    }

    pub(super) fn count(&self, key: &str) -> Read<usize> {
        let count = self.layer.config.get(key).and_then(Value::as_u64);
        let count = count.and_then(|n| usize::try_from(n).ok());
        count.filter(|n| *n > 0).ok_or_else(|| {
            self.unread(
                &format!("a layer without a `{key}`"),
                "save the model again",
            )
        })
    }

    /// Any of the layer's tensors, by its number in Keras' files.
    fn tensor(&self, number: usize) -> Option<(String, &[usize], &[f32])> {
        let name = |path: &String| format!("{path}/vars/{number}");
        let tensors = &self.names.weights.tensors;
        self.layer.paths.iter().find_map(|path| {
            let tensor = tensors.get(&name(path))?;
            Some((name(path), &tensor.shape[..], &tensor.data[..]))
        })
    }

    fn input(&self) -> Read<Source> {
        let config = self.layer.config;
        let shape = config
            .get("batch_shape")
            .or(config.get("batch_input_shape"));
        let shape = shape.and_then(Value::as_array).map_or(&[][..], |s| &s[..]);
        let items = match shape {
            [] | [_] => 1,
            [_, items] => items
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| {
                    self.unread(
                        "an input of any length",
                        "say how long a list may be: keras.Input((20,), …)",
                    )
                })?,
            _ => return Err(self.unread("an input of several dimensions", "flatten it")),
        };
        let dtype = config.get("dtype");
        let dtype = dtype.and_then(|d| d.as_str().or_else(|| d.pointer("/config/name")?.as_str()));
        let kind = match dtype.unwrap_or("float32") {
            "string" => Kind::Text,
            "float32" | "float64" | "float16" | "bfloat16" => Kind::Float,
            "int64" | "uint64" | "uint32" => Kind::Int(64),
            "int32" | "int16" | "int8" | "uint16" | "uint8" => Kind::Int(32),
            other => {
                let what = format!("an input of {other}");
                return Err(self.unread(&what, "inputs are text, integers or floats"));
            }
        };
        Ok(Source {
            name: self.layer.name.clone(),
            kind,
            items,
        })
    }

    /// Ids that are codes.
    fn ids(&self, source: Source, made_by: Tensor, rows: usize) -> Read<Coded> {
        if !matches!(source.kind, Kind::Int(_)) {
            return Err(self.class("on what is no integer"));
        }
        Ok(Coded {
            source,
            given: Given::Id,
            lookup: Lookup {
                keys: Keys::Rows(rows),
                other: None,
                missing: None,
            },
            padding: None,
            made_by,
        })
    }

    /// What only takes a dimension away.
    fn flat(&self, part: Part) -> Read<Part> {
        let items = match &part {
            Part::Codes(coded) => coded.source.items,
            Part::Rows(made) => made.coded.source.items,
            Part::Input(..) | Part::Numbers(_) | Part::Vector(_) => 1,
            Part::Mask(_) => return Err(self.class("on a mask")),
        };
        if items > 1 {
            return Err(self.unread(
                "rows of a list side by side",
                "pool them: GlobalAveragePooling1D",
            ));
        }
        Ok(part)
    }

    /// Columns of zeros and ones for codes.
    fn encode(&self, coded: Coded, columns: usize, mode: Option<&str>) -> Read<Part> {
        /// First layers of so many columns still fit a small device; an embedding is smaller.
        const MOST: usize = 1024;
        let counts = match (mode, coded.source.items) {
            (Some("one_hot" | "multi_hot" | "count"), 1) | (Some("multi_hot"), _) => false,
            (Some("count"), _) => true,
            _ => {
                let mode = mode.unwrap_or("of its own");
                return Err(self.class(&format!("with the output_mode {mode}")));
            }
        };
        if columns > MOST {
            let what = format!("{columns} one-hot columns");
            return Err(self.unread(&what, "use an Embedding: its rows are narrower"));
        }
        let mut coded = coded;
        let kept = |row: &mut Option<usize>| *row = row.filter(|r| *r < columns);
        match &mut coded.lookup.keys {
            Keys::Rows(rows) => *rows = columns,
            Keys::Ids(keys) => keys.iter_mut().for_each(|(_, row)| kept(row)),
            Keys::Texts(keys, _) => keys.iter_mut().for_each(|(_, row)| kept(row)),
            Keys::Buckets(_, rows) if rows.len() > MOST => {
                let what = format!("{} codes as one-hot columns", rows.len());
                return Err(self.unread(&what, "use an Embedding: its rows are narrower"));
            }
            Keys::Buckets(_, rows) => rows.iter_mut().for_each(kept),
        }
        kept(&mut coded.lookup.other);
        coded.lookup.missing.iter_mut().for_each(kept);
        if !counts {
            return Ok(Part::Vector(vec![Piece::Hot(coded, columns)]));
        }
        let made = Made {
            coded,
            rows: Rc::new(Rows::one_hot(&self.layer.name, columns)),
            masked: false,
        };
        Ok(Part::Vector(vec![Piece::Rows(made, Pool::Sum)]))
    }

    fn embedding(&self, part: Part) -> Read<Part> {
        let broken = || self.unread("an Embedding without its table", "save the model again");
        let (name, shape, data) = self.tensor(0).ok_or_else(broken)?;
        let &[count, width] = shape else {
            return Err(broken());
        };
        let coded = match part {
            Part::Codes(coded) => coded,
            Part::Input(source, tensor) => self.ids(source, tensor, count)?,
            _ => return Err(self.class("on what is no code")),
        };
        let masked = self.layer.config.get("mask_zero").and_then(Value::as_bool) == Some(true);
        let rows = Rows {
            name,
            data: data.to_vec(),
            width,
        };
        Ok(Part::Rows(Made {
            coded,
            rows: Rc::new(rows),
            masked,
        }))
    }

    /// A dense layer behind an embedding: as the rows are known, so are its outputs.
    fn dense(&self, made: Made) -> Read<Part> {
        /// Numbers that a table may have.
        const MOST: usize = 1 << 24;
        let broken = || self.unread("a Dense whose kernel does not fit", "save the model again");
        let (name, shape, kernel) = self.tensor(0).ok_or_else(broken)?;
        let &[inputs, outputs] = shape else {
            return Err(broken());
        };
        let bias = self.tensor(1).map(|(_, _, bias)| bias);
        let fits = inputs == made.rows.width && bias.is_none_or(|b| b.len() == outputs);
        if !fits || made.rows.count().saturating_mul(outputs) > MOST {
            return Err(broken());
        }
        let activation = preprocess::function(self)?;
        let mut data = Vec::with_capacity(made.rows.count() * outputs);
        for row in made.rows.data.chunks_exact(inputs.max(1)) {
            for out in 0..outputs {
                let start = bias.and_then(|b| b.get(out)).map_or(0.0, |b| f64::from(*b));
                let column = kernel.iter().skip(out).step_by(outputs.max(1));
                let products = row
                    .iter()
                    .zip(column)
                    .map(|(x, w)| f64::from(*x) * f64::from(*w));
                #[expect(clippy::cast_possible_truncation, reason = "rows are f32")]
                data.push(activation(products.fold(start, |sum, p| sum + p)) as f32);
            }
        }
        let rows = Rows {
            name: format!("{}·{name}", made.rows.name),
            data,
            width: outputs,
        };
        Ok(Part::Rows(Made {
            rows: Rc::new(rows),
            ..made
        }))
    }

    fn average(&self, made: Made, mask: Option<Tensor>) -> Read<Part> {
        if mask.is_some_and(|of| of != made.coded.made_by) {
            return Err(self.unread(
                "a mean with a mask of its own",
                "use the mask of an Embedding with mask_zero=True",
            ));
        }
        let pool = if made.coded.source.items == 1 {
            Pool::One
        } else {
            Pool::Mean
        };
        Ok(Part::Vector(vec![Piece::Rows(made, pool)]))
    }

    /// Numbers, one by one.
    fn scaled(&self, part: Part) -> Read<Vec<Scaled>> {
        match part {
            Part::Numbers(numbers) => Ok(numbers),
            Part::Input(source, _) if source.kind != Kind::Text && source.items <= MAX_WIDTH => {
                let number = |index| Scaled {
                    source: source.clone(),
                    index,
                    transform: Transform::Identity,
                    factor: 1.0,
                    addend: 0.0,
                };
                Ok((0..source.items).map(number).collect())
            }
            _ => Err(self.class("on what is no number")),
        }
    }

    fn numbers(&self, part: Part) -> Read<Part> {
        let mut numbers = self.scaled(part)?;
        if self.layer.class == "Log1p" {
            for number in &mut numbers {
                let plain = (number.factor, number.addend) == (1.0, 0.0);
                if !plain || number.transform != Transform::Identity {
                    return Err(self.unread(
                        "a logarithm of a number that was scaled before",
                        "take the logarithm first",
                    ));
                }
                number.transform = Transform::Log1p;
            }
            return Ok(Part::Numbers(numbers));
        }
        let (factors, addends) = preprocess::scaling(self, numbers.len())?;
        for (number, (factor, addend)) in numbers.iter_mut().zip(factors.iter().zip(&addends)) {
            number.factor *= factor;
            number.addend = number.addend * factor + addend;
        }
        Ok(Part::Numbers(numbers))
    }

    /// The tensors of a layer that keeps numbers: a `Normalization`'s.
    pub(super) fn measured(&self, number: usize) -> Option<Vec<f64>> {
        let (_, _, data) = self.tensor(number)?;
        Some(data.iter().map(|v| f64::from(*v)).collect())
    }

    fn pieces(&self, part: Part) -> Read<Vec<Piece>> {
        Ok(match part {
            Part::Vector(pieces) => pieces,
            Part::Rows(made) if made.coded.source.items == 1 => {
                vec![Piece::Rows(made, Pool::One)]
            }
            Part::Rows(_) => return self.flat(part).map(|_| Vec::new()),
            part => self.scaled(part)?.into_iter().map(Piece::Number).collect(),
        })
    }
}

impl Piece {
    fn width(&self) -> usize {
        match self {
            Self::Number(_) => 1,
            Self::Rows(made, _) => made.rows.width,
            Self::Hot(_, columns) => *columns,
        }
    }
}

/// The front end of all pieces, in their order.
fn finish(pieces: Vec<Piece>) -> Result<Record, crate::front::FrontError> {
    let mut builder = Builder::default();
    for piece in pieces {
        match piece {
            Piece::Number(number) => {
                let source = &number.source;
                let name = match source.items {
                    1 => source.name.clone(),
                    _ => format!("{}_{}", source.name, number.index),
                };
                let given = match source.kind {
                    Kind::Int(_) => Given::I32,
                    _ => Given::F32,
                };
                let field = builder.field(Field::new(&name, given));
                let scaling = if number.factor == 0.0 {
                    builder.note(format!(
                        "`{name}`: it had one value in training, and counts for nothing; Keras \
                         divides by 1e-7, and another value drowns all else"
                    ));
                    Scaling {
                        range: Some((-1.0, 1.0)),
                        weights: vec![0.0],
                        ..Scaling::default()
                    }
                } else {
                    Scaling {
                        weights: vec![number.factor.signum()],
                        ..Scaling::new(-number.addend / number.factor, number.factor.abs().recip())
                    }
                };
                let number = Number {
                    transform: number.transform,
                    ..Number::default()
                };
                builder.number(field, number, &scaling);
            }
            Piece::Hot(mut coded, columns) => {
                let field = field(&mut builder, &mut coded, Pool::Max, false);
                builder.hot(field, &coded.lookup, columns)?;
            }
            Piece::Rows(mut made, pool) => {
                let field = field(&mut builder, &mut made.coded, pool, made.masked);
                builder.rows(field, &made.coded.lookup, &made.rows, pool)?;
            }
        }
    }
    builder.finish()
}

/// The field of codes, with what to say of it.
fn field(builder: &mut Builder, coded: &mut Coded, pool: Pool, masked: bool) -> usize {
    let name = &coded.source.name;
    let mut field = Field::new(name, coded.given);
    if coded.source.items > 1 {
        field.list = Some(List {
            max: coded.source.items,
            keep_last: false,
        });
        // A list that is not there has no items.
        coded.lookup.missing = None;
        field.text.padding.clone_from(&coded.padding);
        if masked && matches!(coded.lookup.keys, Keys::Rows(_)) {
            field.text.padding = Some("0".into());
        }
        builder.note(match (pool, &field.text.padding) {
            (Pool::Mean, Some(padding)) => format!(
                "`{name}`: a list holds its items alone, without the {padding:?} that \
                             fills it up; an empty one makes zeros, where Keras gives NaN"
            ),
            (_, Some(padding)) => format!(
                "`{name}`: a list holds its items alone, without the {padding:?} that \
                             fills it up"
            ),
            _ => format!(
                "`{name}`: a list holds its items alone; whatever filled it up in \
                             training counted as an item there, and the file does not say what"
            ),
        });
    }
    if coded.given == Given::Text && matches!(coded.source.kind, Kind::Int(_)) {
        builder.note(format!(
            "`{name}`: an integer of 64 bits is given as its decimals, as text"
        ));
    }
    builder.field(field)
}

/// Bounds for what an input is given in.
pub(super) fn bounds(kind: Kind, bounds: &[f64]) -> Bounds {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "TensorFlow's bounds are f32"
    )]
    match kind {
        Kind::Int(_) => Bounds::I32(bounds.iter().map(|b| b.ceil() as i32).collect()),
        _ => Bounds::F32(bounds.iter().map(|b| *b as f32).collect()),
    }
}
