//! The hash tables of a model: which keys and values its first run puts into each.

use std::collections::HashMap;

use super::flatbuffer::Table;
use super::{Reason, constant, field};
use crate::import::collect::Budget;
use crate::program::build::Builder;

const HASHTABLE: i32 = 136;
const HASHTABLE_IMPORT: i32 = 138;

/// By the number of a table: the values that are its keys, and those beside them.
pub(super) type Tables = HashMap<i32, [usize; 2]>;

/// The number of an operator's kind in the schema.
pub(super) fn number(model: Table<'_>, operator: Table<'_>) -> Option<i32> {
    let index = operator.int(field::operator::CODE).unwrap_or(0);
    let codes = model.vector(field::model::CODES);
    let code = codes.table(usize::try_from(index).ok()?)?;
    // Codes were bytes once; the newer field holds those beyond.
    let old = i32::from(code.byte(field::code::OLD).unwrap_or(0));
    Some(code.int(field::code::NEW).unwrap_or(0).max(old))
}

/// The number of the table that an operator makes a handle of.
pub(super) fn handle(operator: Table<'_>) -> i32 {
    let options = operator.table(field::operator::OPTIONS);
    options.and_then(|o| o.int(0)).unwrap_or(0)
}

/// Reads what the graphs beside the first one import.
pub(super) fn read(
    b: &mut Builder,
    bytes: &[u8],
    model: Table<'_>,
    budget: &mut Budget,
) -> Result<Tables, Reason> {
    let mut tables = Tables::new();
    for graph in model.vector(field::model::SUBGRAPHS).tables().skip(1) {
        let tensors = graph.vector(field::graph::TENSORS);
        let mut handles: HashMap<i32, i32> = HashMap::new();
        for operator in graph.vector(field::graph::OPERATORS).tables() {
            let inputs: Vec<i32> = operator.vector(field::operator::INPUTS).ints().collect();
            match (number(model, operator), &inputs[..]) {
                (Some(HASHTABLE), _) => {
                    let made = operator.vector(field::operator::OUTPUTS).ints().next();
                    handles.extend(made.map(|tensor| (tensor, handle(operator))));
                }
                (Some(HASHTABLE_IMPORT), &[table, keys, values]) => {
                    let mut side = |tensor: i32| -> Result<Option<usize>, Reason> {
                        let tensor = usize::try_from(tensor).ok().and_then(|t| tensors.table(t));
                        let found = match tensor {
                            Some(tensor) => constant(b, bytes, model, tensor, budget)?,
                            None => None,
                        };
                        Ok(found.map(|(array, kind)| {
                            let value = b.constant(array);
                            b.set_kind(value, kind);
                            value
                        }))
                    };
                    if let (Some(keys), Some(values)) = (side(keys)?, side(values)?)
                        && let Some(table) = handles.get(&table)
                    {
                        tables.insert(*table, [keys, values]);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(tables)
}
