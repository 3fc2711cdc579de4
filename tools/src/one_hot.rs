//! Finding one-hot fields that nobody named: where the names of columns say it and rows show it.

use crate::data::Rows;
use crate::graph::{Graph, Input};
use std::ops::Range;

/// Fewer rows show nothing.
const ROWS: usize = 32;

/// A run of columns that are one field's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What all of their names begin with.
    pub name: String,
    /// The columns of the vector.
    pub columns: Range<usize>,
}

/// The one-hot fields among columns of these names: neighbours called `field_value`, of which in every
/// row at most one is 1 and all others are 0, and of which the rows show more than one as 1.
///
/// ```
/// use mmoe_tools::{data::Rows, one_hot::find};
/// let names = ["age", "sex_f", "sex_m"].map(String::from);
/// let data = (0..40).flat_map(|n| [n as f32, (n % 2) as f32, (1 - n % 2) as f32]).collect();
/// let found = find(&names, &Rows { data, width: 3 });
/// assert_eq!((found[0].name.as_str(), found[0].columns.clone()), ("sex", 1..3));
/// ```
#[must_use]
pub fn find(names: &[String], rows: &Rows) -> Vec<Found> {
    let mut found = Vec::new();
    if rows.len() < ROWS || names.len() != rows.width {
        return found;
    }
    let mut at = 0;
    while let Some(name) = names.get(at) {
        // The longest name of a field that more than one column has, `a_b` before `a`.
        let ends = name.match_indices('_').map(|(end, _)| end).rev();
        let field = ends.map(|end| &name[..end]).find_map(|field| {
            let of_field = |n: &&String| n.strip_prefix(field).is_some_and(|v| v.starts_with('_'));
            let count = names[at..].iter().take_while(of_field).count();
            let columns = at..at + count;
            (count > 1 && !field.is_empty() && is_one_hot(rows, columns.clone()))
                .then(|| (field.to_owned(), columns))
        });
        at = match field {
            Some((name, columns)) => {
                let end = columns.end;
                found.push(Found { name, columns });
                end
            }
            None => at + 1,
        };
    }
    found
}

/// Whether at most one of these columns is 1 in each row, the others are 0, and more than one of them
/// is 1 in some row.
fn is_one_hot(rows: &Rows, columns: Range<usize>) -> bool {
    let mut seen = None;
    let mut several = false;
    for row in rows.iter() {
        let own = &row[columns.clone()];
        if own.iter().any(|v| *v != 0.0 && *v != 1.0) {
            return false;
        }
        let mut ones = (0..).zip(own).filter(|(_, v)| **v == 1.0).map(|(i, _)| i);
        let one: Option<usize> = ones.next();
        if ones.next().is_some() {
            return false;
        }
        several |= one.is_some() && seen.is_some() && seen != one;
        seen = seen.or(one);
    }
    several
}

/// The graph with codes in place of these fields; `None` where it cannot read them so, or what is known
/// of their columns is more than that they are 0 or 1.
#[must_use]
pub fn with_codes(graph: &Graph, fields: &[Found]) -> Option<Graph> {
    let each: Vec<&Input> = (graph.inputs.iter())
        .flat_map(|i| std::iter::repeat_n(i, i.count))
        .collect();
    let mut inputs: Vec<Input> = Vec::new();
    let (mut at, mut last): (usize, Option<&Input>) = (0, None);
    let mut fields = fields.iter().peekable();
    while let Some(input) = each.get(at) {
        if let Some(field) = fields.next_if(|f| f.columns.start == at) {
            let of = &each[field.columns.clone()];
            let plain =
                |i: &&Input| i.codes.is_none() && i.mean.is_none() && i.std.is_none() && !i.folded;
            if !of.iter().all(plain) {
                return None;
            }
            inputs.push(Input::one_hot(&field.name, field.columns.len()));
            (at, last) = (field.columns.end, None);
            continue;
        }
        match inputs.last_mut() {
            Some(run) if last.is_some_and(|l| std::ptr::eq(l, *input)) => run.count += 1,
            _ => inputs.push(Input {
                count: 1,
                ..(*input).clone()
            }),
        }
        (at, last) = (at + 1, Some(*input));
    }
    let made = Graph {
        inputs,
        ..graph.clone()
    };
    made.check().is_ok().then_some(made)
}
