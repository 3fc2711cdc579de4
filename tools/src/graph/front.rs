//! The front end of a graph from its plan: the rows of its tables, and the candidate's features last.

use super::tensors::Tensors;
use super::{Graph, Input, Layer, Normalization};
use crate::error::ModelError;
use crate::front::{By, Front};
use crate::plan::Layout;
use crate::plan::fields::{FieldsPlan, Rows, Source};

/// The plan's front end with the rows of its tables.
pub(super) fn tables(plan: &FieldsPlan, tensors: &mut Tensors) -> Result<Front, ModelError> {
    let mut front = plan.front.clone();
    for (table, source) in front.tables.iter_mut().zip(&plan.sources) {
        let place = format!("field `{}`: embedding", source.field);
        table.width = tensors.columns(&source.tensor, Layout::OutIn, &place)?;
        let matrix = tensors.matrix(&source.tensor, Layout::OutIn, table.width, &place)?;
        let all: Vec<&[f32]> = matrix.data.chunks_exact(table.width.max(1)).collect();
        let (start, count) = source.window.unwrap_or((0, all.len()));
        let end = start.saturating_add(count);
        let Some(all) = all.get(start..end).filter(|all| !all.is_empty()) else {
            return Err(ModelError::Invalid {
                place,
                what: format!(
                    "rows {start} to {end} of `{}`, which has {}",
                    table.name,
                    all.len()
                ),
                remedy: "correct `rows`".into(),
            });
        };
        let wanted = match &source.rows {
            Rows::All => {
                if let By::Direct { entries, .. } = &mut table.coder.by {
                    *entries = u32::try_from(all.len()).unwrap_or(u32::MAX);
                }
                (0..all.len()).collect()
            }
            // One that lies behind all others was named by itself, and has its own message.
            Rows::Every(rows)
                if rows.len() != all.len() && rows.iter().all(|row| *row < rows.len()) =>
            {
                return Err(unlike(source, &place, rows, all.len()));
            }
            Rows::Every(rows) | Rows::These(rows) => rows.clone(),
        };
        let mut rows = Vec::with_capacity(wanted.len() * table.width);
        for row in wanted {
            let Some(numbers) = all.get(row) else {
                return Err(ModelError::Invalid {
                    place,
                    what: format!("row {row} of `{}`, which has {}", table.name, all.len()),
                    remedy: "rows count from 0: correct the index in the vocabulary, `missing` or \
                             `other`"
                        .into(),
                });
            };
            rows.extend_from_slice(numbers);
        }
        table.rows = rows;
        for special in special(&table.coder) {
            if table.row(special).is_none() && special != crate::front::NONE {
                return Err(ModelError::Invalid {
                    place,
                    what: format!(
                        "row {special} of `{}`, which has {}",
                        table.name,
                        table.len()
                    ),
                    remedy: "rows count from 0: correct `missing` or `other`".into(),
                });
            }
        }
    }
    Ok(front)
}

/// The codes that a coder gives to what it does not find.
fn special(coder: &crate::front::Coder) -> impl Iterator<Item = u32> {
    let other = match coder.by {
        By::Direct { other, .. }
        | By::Sorted { other, .. }
        | By::Named { other, .. }
        | By::Tokens { other, .. } => Some(other),
        _ => None,
    };
    coder.missing.into_iter().chain(other)
}

/// A vocabulary and a table that were not made for each other.
fn unlike(source: &Source, place: &str, rows: &[usize], found: usize) -> ModelError {
    let wanted = rows.len();
    let remedy = match found.checked_sub(wanted) {
        Some(1) => {
            "is row 0 padding or the missing value? write `missing = 0`; is one row for unknown \
             values? name it with `other`"
        }
        Some(2) => {
            "are two rows for missing and for unknown values? write `missing = 0` and `other = 1`, \
             or where they stand"
        }
        _ => {
            "name the vocabulary that the model was trained with; one that names the row of each \
             token ({\"token\": 3}) may leave rows out"
        }
    };
    ModelError::Invalid {
        place: place.into(),
        what: format!(
            "{wanted} values (with those for missing and unknown ones), {found} rows in `{}`",
            source
                .tensor
                .parts()
                .first()
                .map_or("", |p| p.name.as_str())
        ),
        remedy: remedy.into(),
    }
}

/// Whether the vector is as wide as the layers that read it.
pub(super) fn fits(front: &Front, layers: Option<Input>) -> Result<(), ModelError> {
    let Some(layers) = layers.filter(|input| input.count != front.width()) else {
        return Ok(());
    };
    let parts: Vec<String> = front
        .features
        .iter()
        .map(|f| {
            let name = front.fields.get(f.field).map_or("", |f| f.name.as_str());
            format!("{name} {}", f.width(front))
        })
        .collect();
    Err(ModelError::Invalid {
        place: "[[fields]]".into(),
        what: format!(
            "the fields make {} elements ({}), the first layers read {}",
            front.width(),
            parts.join(", "),
            layers.count
        ),
        remedy: "name every field that training put into the vector, with its own table".into(),
    })
}

/// Moves the features of the candidate behind those of the context, and the columns of all that
/// reads the vector with them.
pub(super) fn candidate_last(graph: &mut Graph) -> Result<(), ModelError> {
    let Some(front) = &graph.front else {
        return Ok(());
    };
    let is_candidate = |f: usize| front.fields[front.features[f].field].candidate;
    let mut order: Vec<usize> = (0..front.features.len()).collect();
    order.sort_by_key(|f| is_candidate(*f));
    if order.is_sorted() {
        return Ok(());
    }
    let places = front.places();
    let columns: Vec<usize> = order.iter().flat_map(|f| places[*f].clone()).collect();
    for node in graph.nodes.iter_mut().filter(|n| n.src == 0) {
        let whole = node.start == 0 && node.inputs == columns.len();
        let moved = whole
            && node.layers.iter_mut().try_fold(false, |done, layer| {
                if done {
                    Some(true)
                } else {
                    permuted(layer, &columns)
                }
            }) == Some(true);
        if !moved {
            return Err(ModelError::Unsupported {
                place: "[[fields]]".into(),
                what:
                    "a part of the model that reads some columns of the vector, or passes it on, \
                       while fields of the candidate stand between those of the context,"
                        .into(),
                remedy: "leave `part` out: the model then ranks nothing, and predicts the same"
                    .into(),
            });
        }
    }
    let mut fields: Vec<usize> = Vec::new();
    for f in &order {
        let field = front.features[*f].field;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    let mut new = front.clone();
    new.fields = fields.iter().map(|f| front.fields[*f].clone()).collect();
    new.features = order.iter().map(|f| front.features[*f].clone()).collect();
    for feature in &mut new.features {
        feature.field = fields.iter().position(|f| *f == feature.field).unwrap_or(0);
    }
    graph.feature_names = new.fields.iter().map(|f| f.name.clone()).collect();
    graph.inputs = order.iter().map(|f| graph.inputs[*f].clone()).collect();
    graph.front = Some(new);
    Ok(())
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
