//! A front end, and what its features have to do with the vector that a framework's layers read.

use super::build::Rows;
use super::{Feature, Front, Makes, Pool, Table};
use crate::error::ModelError;
use crate::graph::{Dense, Graph, Input, Layer, Normalization};

/// A front end, and what its features have to do with the vector of the framework's layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The front end.
    pub front: Front,
    /// What is known about each feature, as [`Graph::inputs`] has it.
    pub inputs: Vec<Input>,
    /// What a person should know about it, a line each.
    pub notes: Vec<String>,
    /// The tensors that it is made of, where they are not the names of its tables.
    pub tensors: Vec<String>,
    /// Whether the file of the weights says it, and no other.
    pub of_weights: bool,
    /// Per element of the front end's vector: the elements of the framework's that it stands for, and
    /// their weights.
    pub(super) columns: Vec<Vec<(usize, f64)>>,
    /// How wide the framework's vector is.
    pub(super) wide: usize,
}

impl Record {
    /// Puts what belongs to the candidate behind what belongs to the context, codes behind all else,
    /// and the fields into the order of the features. Whatever is alike in this stands in the order of
    /// the framework's vector.
    pub(super) fn order(&mut self) {
        let front = &self.front;
        let places = front.places();
        let key = |f: &usize| {
            let feature = &front.features[*f];
            let field = front.fields.get(feature.field);
            let codes = matches!(feature.makes, Makes::Slot { .. });
            let columns = self.columns[places[*f].clone()].iter().flatten();
            let first = columns.map(|(at, _)| *at).min();
            (field.map(|field| field.candidate), codes, first)
        };
        let mut order: Vec<usize> = (0..front.features.len()).collect();
        order.sort_by_key(key);
        let columns = order.iter().flat_map(|f| places[*f].clone());
        self.columns = columns.map(|at| self.columns[at].clone()).collect();
        self.inputs = order.iter().map(|f| self.inputs[*f].clone()).collect();
        let mut read: Vec<usize> = Vec::new();
        let mut features = Vec::with_capacity(order.len());
        for at in order {
            let mut feature = front.features[at].clone();
            let place = read.iter().position(|f| *f == feature.field);
            feature.field = place.unwrap_or_else(|| {
                read.push(self.front.features[at].field);
                read.len() - 1
            });
            features.push(feature);
        }
        let mut hot = 0;
        for feature in &mut features {
            if let Makes::Slot { first, columns, .. } = &mut feature.makes {
                *first = hot;
                hot += *columns;
            }
        }
        let fields = read.iter().filter_map(|f| front.fields.get(*f).cloned());
        self.front.fields = fields.collect();
        self.front.features = features;
    }

    /// Makes rows of zeros and ones of what is read by its code.
    pub(super) fn expand(&mut self) {
        let Front {
            fields,
            tables,
            features,
        } = &mut self.front;
        for (feature, input) in features.iter_mut().zip(&mut self.inputs) {
            let Makes::Slot { coder, columns, .. } = &feature.makes else {
                continue;
            };
            let field = fields.get(feature.field);
            let rows = Rows::one_hot(field.map_or("", |f| f.name.as_str()), *columns as usize);
            let table = Table {
                name: rows.name,
                coder: coder.clone(),
                rows: rows.data,
                width: rows.width,
            };
            let at = tables.iter().position(|t| *t == table);
            let at = at.unwrap_or_else(|| {
                tables.push(table);
                tables.len() - 1
            });
            let pool = match field.and_then(|f| f.list) {
                Some(_) => Pool::Max,
                None => Pool::One,
            };
            feature.makes = Makes::Rows { table: at, pool };
            *input = Input {
                min: Some(0.0),
                max: Some(1.0),
                ..Input::new(&input.name, input.count)
            };
        }
    }

    /// Whether layers can read codes in place of columns: all that reads the vector reads the whole of
    /// it, through a dense layer first.
    fn reads_codes(&self, graph: &Graph) -> bool {
        let mut nodes = graph.nodes.iter().filter(|n| n.src == 0);
        nodes.all(|node| match node.layers.first() {
            Some(Layer::Constant { .. }) => true,
            Some(Layer::Dense(dense)) => node.start == 0 && dense.inputs == self.wide,
            _ => false,
        })
    }

    /// How many elements the framework's vector has.
    #[must_use]
    pub fn wide(&self) -> usize {
        self.wide
    }

    /// What is known of the framework's vector, in its order, where its elements are those of the front
    /// end in some order; `None` where the front end has others.
    #[must_use]
    pub fn vector(&self) -> Option<Vec<Input>> {
        self.moved()?;
        let mut at = 0;
        let mut inputs: Vec<(usize, &Input)> = Vec::new();
        for input in &self.inputs {
            let columns = self.columns.get(at..at + input.count)?.iter().flatten();
            inputs.push((columns.map(|(at, _)| *at).min()?, input));
            at += input.count;
        }
        inputs.sort_by_key(|(first, _)| *first);
        Some(inputs.into_iter().map(|(_, input)| input.clone()).collect())
    }

    /// For each element of the front end the framework's, where each is one of those.
    fn moved(&self) -> Option<Vec<usize>> {
        let one = |column: &Vec<(usize, f64)>| match column[..] {
            [(at, 1.0)] => Some(at),
            _ => None,
        };
        let moved: Vec<usize> = self.columns.iter().map(one).collect::<Option<_>>()?;
        let mut sorted = moved.clone();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..self.wide).then_some(moved)
    }

    /// Puts the front end before a graph whose layers read the framework's vector. With `fold` the
    /// numbers' means and deviations become part of those layers, unless they are already.
    ///
    /// # Errors
    ///
    /// A graph whose input has another width; a layer that reads the vector and is no dense one where
    /// elements of the vector are not the framework's own.
    pub fn put_before(&self, graph: &mut Graph, fold: bool) -> Result<(), ModelError> {
        let codes = |f: &Feature| matches!(f.makes, Makes::Slot { .. });
        if self.front.features.iter().any(codes) && !self.reads_codes(graph) {
            let mut expanded = self.clone();
            expanded.expand();
            expanded.order();
            return expanded.put_before(graph, fold);
        }
        let folded = graph.inputs.iter().any(|i| i.folded);
        let mut inputs = self.inputs.clone();
        let plain = |i: &Input| i.mean.is_none() && i.std.is_none();
        let folds = fold && !folded && !inputs.iter().all(plain);
        match self.moved() {
            Some(moved) if !folds => {
                inputs.iter_mut().for_each(|i| i.folded = folded);
                if !moved.is_sorted() {
                    self.permute(graph, &moved)?;
                }
            }
            _ => {
                let mut scalings = Vec::with_capacity(self.columns.len());
                for input in &mut inputs {
                    let scaled = folds && !plain(input);
                    let scaling = if scaled { input.scaling() } else { (0.0, 1.0) };
                    input.folded |= scaled;
                    scalings.extend(std::iter::repeat_n(scaling, input.count));
                }
                self.rewire(graph, &scalings)?;
            }
        }
        graph.feature_names = self.front.fields.iter().map(|f| f.name.clone()).collect();
        graph.inputs = inputs;
        graph.front = Some(self.front.clone());
        Ok(())
    }

    /// Whether the framework's vector is as wide as the layers that read it.
    ///
    /// # Errors
    ///
    /// Otherwise, with the width of each field.
    pub fn fits(&self, layers: Option<Input>) -> Result<(), ModelError> {
        let Some(layers) = layers.filter(|input| input.count != self.wide) else {
            return Ok(());
        };
        let parts = self.inputs.iter().zip(&self.front.features);
        let parts: Vec<String> = parts
            .map(|(input, feature)| {
                let field = self.front.fields.get(feature.field);
                let name = field.map_or("", |f| f.name.as_str());
                format!("{name} {}", input.count)
            })
            .collect();
        Err(ModelError::Invalid {
            place: "[[fields]]".into(),
            what: format!(
                "the fields make {} elements ({}), the first layers read {}",
                self.wide,
                parts.join(", "),
                layers.count
            ),
            remedy: "name every field that training put into the vector, with its own table".into(),
        })
    }

    /// Puts the columns of all that reads the vector into the front end's order.
    fn permute(&self, graph: &mut Graph, moved: &[usize]) -> Result<(), ModelError> {
        for node in graph.nodes.iter_mut().filter(|n| n.src == 0) {
            let whole = node.start == 0 && node.inputs == moved.len();
            let done = whole
                && node.layers.iter_mut().try_fold(false, |done, layer| {
                    if done {
                        Some(true)
                    } else {
                        permuted(layer, moved)
                    }
                }) == Some(true);
            if !done {
                return Err(ModelError::Unsupported {
                    place: "the record".into(),
                    what: "a part of the model that reads some columns of the vector, or passes it on, \
                           while fields of the candidate stand between those of the context,"
                        .into(),
                    remedy: "leave `part` out: the model then ranks nothing, and predicts the same"
                        .into(),
                });
            }
        }
        Ok(())
    }

    /// Makes layers read the front end's elements, scaled so.
    fn rewire(&self, graph: &mut Graph, scalings: &[(f64, f64)]) -> Result<(), ModelError> {
        for node in graph.nodes.iter_mut().filter(|n| n.src == 0) {
            match node.layers.first_mut() {
                Some(Layer::Constant { .. }) => {}
                Some(Layer::Dense(dense)) if node.start == 0 && dense.inputs == self.wide => {
                    rewire(dense, &self.columns, scalings);
                }
                _ => {
                    return Err(ModelError::Unsupported {
                        place: "the record".into(),
                        what: "numbers that are scaled in front of a part of the vector, or of a \
                               norm,"
                            .into(),
                        remedy: "every expert and gate must read the whole vector through a dense \
                                 layer"
                            .into(),
                    });
                }
            }
            node.inputs = self.columns.len();
        }
        Ok(())
    }
}

/// A dense layer on the front end's vector instead of the framework's.
#[expect(clippy::cast_possible_truncation, reason = "weights are f32 again")]
fn rewire(dense: &mut Dense, columns: &[Vec<(usize, f64)>], scalings: &[(f64, f64)]) {
    let mut weight = Vec::with_capacity(dense.outputs * columns.len());
    let rows = dense.weight.chunks_exact(dense.inputs.max(1));
    for (row, bias) in rows.zip(&mut dense.bias) {
        let mut shift = f64::from(*bias);
        for (column, (mean, std)) in columns.iter().zip(scalings) {
            let parts = column.iter();
            let sum: f64 = parts
                .map(|(at, w)| f64::from(row.get(*at).copied().unwrap_or(0.0)) * w)
                .sum();
            let scaled = sum / std;
            shift -= scaled * mean;
            weight.push(scaled as f32);
        }
        *bias = shift as f32;
    }
    dense.weight = weight;
    dense.inputs = columns.len();
}

/// Puts the columns of a layer into another order. Returns whether that settles it, or `None` if
/// the layer's columns cannot be moved; per-unit layers pass the order on to the next.
fn permuted(layer: &mut Layer, columns: &[usize]) -> Option<bool> {
    let units = |v: &mut Vec<f32>| *v = columns.iter().map(|c| v[*c]).collect();
    match layer {
        Layer::Dense(d) => {
            let rows = d.weight.chunks(d.inputs);
            d.weight = rows
                .flat_map(|row| columns.iter().map(|c| row[*c]))
                .collect();
            return Some(true);
        }
        Layer::Affine { gain, bias } => [gain, bias].into_iter().for_each(units),
        Layer::PRelu { slope } => units(slope),
        Layer::Dice { gain, bias, alpha } => [gain, bias, alpha].into_iter().for_each(units),
        Layer::Norm {
            by: Normalization::Layer { groups: 2.. },
            ..
        } => return None,
        Layer::Norm { gain, bias, .. } => [gain, bias].into_iter().for_each(units),
        Layer::Pointwise { .. } | Layer::RowDice { .. } => {}
        Layer::Constant { .. } => return Some(true),
    }
    Some(false)
}
