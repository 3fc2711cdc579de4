//! The look-up tables of a SavedModel: which keys and values its initializers put into each.
//!
//! A table is a node of the graph. Functions that the graph calls once fill it, from constants that
//! are passed to them or from a file among the assets.

use std::collections::HashMap;
use std::path::{Component, Path};

use super::messages::{Function, MetaGraph, Node, Tensor};
use super::{array, filled, place};
use crate::import::collect::Budget;
use crate::import::{LONGEST, Reason, read_bounded};
use crate::program::build::Builder;
use crate::program::{Array, Given};

/// Functions call functions, but not so deep; and all of them have no more nodes than this.
const DEEPEST: usize = 8;
const MOST_NODES: usize = 1 << 20;

/// By the node of a table: the values that are its keys, and those beside them.
pub(super) type Tables = HashMap<String, [usize; 2]>;

/// What an initializer puts into a table.
enum Import<'m> {
    /// The table, keys and values.
    Constants([&'m Node; 3]),
    /// The table, the node that reads, and the node that names the file.
    File([&'m Node; 3]),
}

struct Reader<'m> {
    functions: &'m HashMap<&'m str, &'m Function>,
    /// What variables of the graph itself are assigned.
    assigned: HashMap<&'m str, &'m str>,
    nodes: HashMap<&'m str, &'m Node>,
    left: usize,
    found: Vec<Import<'m>>,
}

/// Reads what all initializers import.
pub(super) fn read<'m>(
    b: &mut Builder,
    folder: &Path,
    meta: &'m MetaGraph,
    functions: &'m HashMap<&'m str, &'m Function>,
    budget: &mut Budget,
) -> Result<Tables, Reason> {
    let nodes = meta.graph.as_ref().map_or(&[][..], |g| &g.nodes);
    let assigns = nodes.iter().filter(|n| n.kind == "AssignVariableOp");
    let assigned =
        assigns.filter_map(|n| Some((place(n.inputs.first()?).0, place(n.inputs.get(1)?).0)));
    let mut reader = Reader {
        functions,
        assigned: assigned.collect(),
        nodes: nodes.iter().map(|n| (n.name.as_str(), n)).collect(),
        left: MOST_NODES,
        found: Vec::new(),
    };
    reader.visit(nodes, None, 0);
    let mut tables = Tables::new();
    for import in reader.found {
        match import {
            Import::Constants([table, keys, values]) => {
                let mut side = |node: &Node| {
                    let tensor = node.attributes.get("value").and_then(|a| a.tensor.as_ref());
                    let (array, kind) = constant(b, tensor?, budget)?;
                    let value = b.constant(array);
                    b.set_kind(value, kind);
                    Some(value)
                };
                if let (Some(keys), Some(values)) = (side(keys), side(values)) {
                    tables.insert(table.name.clone(), [keys, values]);
                }
            }
            Import::File([table, import, file]) => {
                if let Some(sides) = lines(b, folder, meta, import, file)? {
                    tables.insert(table.name.clone(), sides);
                }
            }
        }
    }
    Ok(tables)
}

impl<'m> Reader<'m> {
    /// Looks for imports among nodes, and in what they call; `arguments`: what those of a function
    /// are in the graph.
    fn visit(
        &mut self,
        nodes: &'m [Node],
        arguments: Option<&HashMap<&'m str, &'m Node>>,
        depth: usize,
    ) {
        let own: HashMap<&str, &'m Node> = match arguments {
            Some(_) => nodes.iter().map(|n| (n.name.as_str(), n)).collect(),
            None => self.nodes.clone(),
        };
        for node in nodes {
            let Some(left) = self.left.checked_sub(1) else {
                return;
            };
            self.left = left;
            let origin = |at: usize| self.origin(place(node.inputs.get(at)?).0, &own, arguments);
            match node.kind.as_str() {
                "LookupTableImportV2" | "InitializeTableV2" => {
                    if let (Some(table), Some(keys), Some(values)) =
                        (origin(0), origin(1), origin(2))
                    {
                        self.found.push(Import::Constants([table, keys, values]));
                    }
                }
                "InitializeTableFromTextFileV2" => {
                    if let (Some(table), Some(file)) = (origin(0), origin(1)) {
                        self.found.push(Import::File([table, node, file]));
                    }
                }
                "StatefulPartitionedCall" | "PartitionedCall" if depth < DEEPEST => {
                    let called = node.attributes.get("f").and_then(|a| a.function.as_ref());
                    let called = called
                        .and_then(|f| self.functions.get(f.name.as_str()))
                        .copied();
                    let Some((function, head)) = called.and_then(|f| Some((f, f.head.as_ref()?)))
                    else {
                        continue;
                    };
                    let passed = head.inputs.iter().enumerate();
                    let passed = passed.filter_map(|(at, a)| Some((a.name.as_str(), origin(at)?)));
                    let passed = passed.collect();
                    self.visit(&function.nodes, Some(&passed), depth + 1);
                }
                _ => {}
            }
        }
    }

    /// The node that a reference comes from, outside of all functions where it was passed to one.
    fn origin(
        &self,
        name: &str,
        own: &HashMap<&str, &'m Node>,
        arguments: Option<&HashMap<&'m str, &'m Node>>,
    ) -> Option<&'m Node> {
        /// Between a variable's value and what was assigned there may be an identity or two.
        const HOPS: usize = 8;
        let mut name = name;
        for _ in 0..HOPS {
            if let Some(outside) = arguments.and_then(|a| a.get(name)) {
                return Some(outside);
            }
            let node = *own.get(name)?;
            match node.kind.as_str() {
                "Identity" => name = place(node.inputs.first()?).0,
                "ReadVariableOp" => {
                    let variable = place(node.inputs.first()?).0;
                    name = self.assigned.get(variable)?;
                }
                _ => return Some(node),
            }
        }
        None
    }
}

/// What a constant holds; texts are numbered.
pub(super) fn constant(
    b: &mut Builder,
    tensor: &Tensor,
    budget: &mut Budget,
) -> Option<(Array<f64>, Given)> {
    const STRING: i32 = 7;
    if tensor.dtype != STRING {
        return Some((array(tensor, budget)?, given(tensor.dtype)));
    }
    let texts = tensor.texts.iter();
    let data: Vec<f64> = texts
        .map(|text| b.text(&String::from_utf8_lossy(text)))
        .collect();
    Some((filled(tensor, data, budget)?, Given::Texts))
}

/// What elements of a type, as TensorFlow counts them, are.
pub(super) fn given(dtype: i32) -> Given {
    match dtype {
        7 => Given::Texts,
        3..=6 | 9 | 10 | 17 | 22 | 23 => Given::Wholes,
        _ => Given::Numbers,
    }
}

/// A table of the lines of a file: lines and their numbers, either as keys.
fn lines(
    b: &mut Builder,
    folder: &Path,
    meta: &MetaGraph,
    import: &Node,
    file: &Node,
) -> Result<Option<[usize; 2]>, Reason> {
    const WHOLE_LINE: i64 = -2;
    const LINE_NUMBER: i64 = -1;
    let index = |name: &str| import.attributes.get(name).and_then(|a| a.int);
    let asset = meta.assets.iter().find(|a| {
        let tensor = a.tensor.as_ref();
        tensor.is_some_and(|t| place(&t.name).0 == file.name)
    });
    // The file lies among the assets, and nowhere else.
    let name = asset.map(|a| Path::new(&a.file)).filter(|name| {
        let mut parts = name.components();
        matches!(
            (parts.next(), parts.next()),
            (Some(Component::Normal(_)), None)
        )
    });
    let Some(name) = name else {
        return Ok(None);
    };
    let bytes = read_bounded(&folder.join("assets").join(name), LONGEST)?;
    let text = String::from_utf8_lossy(&bytes);
    let texts: Vec<f64> = text.lines().map(|line| b.text(line)).collect();
    let numbers = (0..texts.len()).map(|at| at as f64).collect();
    let texts = b.constant(Array::vector(texts));
    let numbers = b.constant(Array::vector(numbers));
    b.set_kind(texts, Given::Texts);
    b.set_kind(numbers, Given::Wholes);
    Ok(match (index("key_index"), index("value_index")) {
        (Some(WHOLE_LINE), Some(LINE_NUMBER)) => Some([texts, numbers]),
        (Some(LINE_NUMBER), Some(WHOLE_LINE)) => Some([numbers, texts]),
        _ => None,
    })
}
