//! TensorFlow SavedModels: a graph of functions that call each other, and variables beside it.
//!
//! Calls are replaced by what they call. Which variable a node of the graph is, is read in the
//! graph as well: its restore function puts each tensor of the checkpoint into one.

mod bundle;
mod messages;
mod operators;
mod tables;

use std::collections::HashMap;
use std::path::Path;

use prost::Message as _;

use super::collect::Budget;
use super::sniff::SAVED_MODEL;
use super::{LONGEST, Reason, Weights, read_bounded};
use crate::program::build::{Builder, Label};
use crate::program::{Array, Given, Op};
use bundle::Bundle;
use messages::{Function, Graph, MetaGraph, Node, SavedModel, Tensor};

const FORMAT: &str = "SavedModel";

/// Reads the model in a folder.
pub(super) fn read(folder: &Path) -> Result<Weights, Reason> {
    let bytes = read_bounded(&folder.join("saved_model.pb"), LONGEST)?;
    let model = SavedModel::decode(bytes.as_slice()).map_err(|e| Reason::damaged(FORMAT, e))?;
    // Of an older kind, or without a signature, there is another way.
    let Some(meta) = model.graphs.first() else {
        return Err(SAVED_MODEL);
    };
    let (Some(graph), Some(keys)) = (&meta.graph, variables(meta)) else {
        return Err(SAVED_MODEL);
    };
    let bundle = Bundle::open(&folder.join("variables"))?;
    let mut budget = Budget::new(bytes.len().saturating_add(bundle.len()));
    let mut builder = Builder::new("SavedModel");
    let functions = functions(graph);
    let tables = tables::read(&mut builder, folder, meta, &functions, &mut budget)?;
    let mut inliner = Inliner {
        functions: &functions,
        builder,
        variables: HashMap::new(),
        tables,
        handles: HashMap::new(),
        budget,
    };
    for (name, key) in keys {
        let array = bundle.tensor(&key, &mut inliner.budget)?;
        inliner.variables.insert(name, array);
    }
    let serving = meta.signatures.get("serving_default");
    let Some(signature) = serving.or_else(|| meta.signatures.get("serve")) else {
        return Err(SAVED_MODEL);
    };
    let mut given = HashMap::new();
    let mut inputs: Vec<_> = signature.inputs.iter().collect();
    inputs.sort_by_key(|(name, _)| name.as_str());
    for (name, info) in inputs {
        let value = inliner.builder.fresh();
        let dims = info.shape.iter().flat_map(|s| &s.dims);
        let shape = dims
            .map(|d| usize::try_from(d.size).ok().filter(|s| *s > 0))
            .collect();
        inliner
            .builder
            .input(name, value, shape, tables::given(info.dtype));
        given.insert(place(&info.name).0.to_owned(), vec![value]);
    }
    let mut outputs: Vec<_> = signature.outputs.iter().collect();
    outputs.sort_by_key(|(name, _)| (name.len(), name.as_str()));
    let roots: Vec<&str> = outputs.iter().map(|(_, info)| info.name.as_str()).collect();
    let values = inliner.nodes(&graph.nodes, given, &roots, 0)?;
    for ((name, _), value) in outputs.iter().zip(values) {
        inliner.builder.output(name, value);
    }
    Ok(Weights {
        format: "TensorFlow SavedModel".into(),
        program: Some(inliner.builder.finish()),
        ..Weights::default()
    })
}

fn functions(graph: &Graph) -> HashMap<&str, &Function> {
    let all = graph.library.iter().flat_map(|l| &l.functions);
    all.filter_map(|f| Some((f.head.as_ref()?.name.as_str(), f)))
        .collect()
}

/// The node and the output that a reference names: `dense`, `dense:1`, `topk:indices:0`.
fn place(reference: &str) -> (&str, usize) {
    let mut parts = reference.split(':');
    let node = parts.next().unwrap_or_default();
    let (first, second) = (parts.next(), parts.next());
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<usize>().ok());
    match first {
        // The one operation that is read with outputs of two names.
        Some("indices") => (node, 1),
        _ => (node, number(second).or(number(first)).unwrap_or(0)),
    }
}

/// By variable of the graph: the key of its value in the checkpoint.
fn variables(meta: &MetaGraph) -> Option<Vec<(String, Vec<u8>)>> {
    let graph = meta.graph.as_ref()?;
    let name = place(&meta.saver.as_ref()?.restore).0;
    let restore = graph.nodes.iter().find(|n| n.name == name)?;
    // TensorFlow 2 restores in a function, to which the variables are passed; TensorFlow 1 in the
    // graph itself.
    let called = restore
        .attributes
        .get("f")
        .and_then(|f| f.function.as_ref());
    let Some(called) = called else {
        return restored(&graph.nodes, &HashMap::new());
    };
    let function = *functions(graph).get(called.name.as_str())?;
    let inputs = &function.head.as_ref()?.inputs;
    let names = inputs.iter().map(|a| a.name.as_str());
    let arguments = names.zip(&restore.inputs).collect();
    restored(&function.nodes, &arguments)
}

/// What nodes assign to variables: which, and the key of the tensor that was restored for it.
/// `arguments`: what variables are called outside.
fn restored(nodes: &[Node], arguments: &HashMap<&str, &String>) -> Option<Vec<(String, Vec<u8>)>> {
    let by_name: HashMap<&str, &Node> = nodes.iter().map(|n| (n.name.as_str(), n)).collect();
    let mut found = Vec::new();
    for assign in nodes
        .iter()
        .filter(|n| n.kind == "AssignVariableOp" || n.kind == "Assign")
    {
        let [target, value, ..] = assign.inputs.as_slice() else {
            return None;
        };
        let target = place(target).0;
        let variable = arguments
            .get(target)
            .map_or(target, |outside| place(outside).0);
        let mut from = place(value);
        let mut node = *by_name.get(from.0)?;
        // Between the tensor and the variable there may be an identity or two.
        for _ in 0..4 {
            if node.kind == "Identity" {
                from = place(node.inputs.first()?);
                node = by_name.get(from.0)?;
            }
        }
        // In a graph of TensorFlow 1 stand the variables' first values as well.
        if node.kind != "RestoreV2" {
            continue;
        }
        let names = by_name.get(place(node.inputs.get(1)?).0)?;
        let names = names.attributes.get("value")?.tensor.as_ref()?;
        found.push((variable.to_owned(), names.texts.get(from.1)?.clone()));
    }
    Some(found)
}

struct Inliner<'g> {
    functions: &'g HashMap<&'g str, &'g Function>,
    builder: Builder,
    variables: HashMap<String, Array<f64>>,
    tables: tables::Tables,
    /// By value: the node of the table that it is a handle of.
    handles: HashMap<usize, String>,
    budget: Budget,
}

impl Inliner<'_> {
    /// Adds those nodes that `roots` depend on; `given`: the outputs of some that are known.
    fn nodes(
        &mut self,
        nodes: &[Node],
        mut given: HashMap<String, Vec<usize>>,
        roots: &[&str],
        depth: usize,
    ) -> Result<Vec<usize>, Reason> {
        let missing = |name: &str| Reason::damaged(FORMAT, format!("it lacks the node `{name}`"));
        let by_name: HashMap<&str, &Node> = nodes.iter().map(|n| (n.name.as_str(), n)).collect();
        // Each is looked at twice: to ask for what it reads, and when that is there.
        let mut open: Vec<(&str, bool)> = roots.iter().map(|r| (place(r).0, false)).collect();
        while let Some((name, ready)) = open.pop() {
            if given.contains_key(name) {
                continue;
            }
            let node = *by_name.get(name).ok_or_else(|| missing(name))?;
            let reads = node.inputs.iter().filter(|i| !i.starts_with('^'));
            if !ready {
                /// What a node takes in memory; functions that call others may repeat them.
                const OF_A_NODE: u64 = 256;
                self.budget
                    .take(OF_A_NODE * (1 + node.inputs.len() as u64), "the graph")?;
                open.push((name, true));
                open.extend(reads.map(|r| (place(r).0, false)));
                continue;
            }
            let mut inputs = Vec::new();
            for read in reads {
                let (from, at) = place(read);
                let value = given.get(from).and_then(|v| v.get(at));
                // What is not there by now waits for this node itself.
                inputs.push(*value.ok_or_else(|| missing(read))?);
            }
            let made = self.node(node, &inputs, depth)?;
            given.insert(name.to_owned(), made);
        }
        let value = |root: &&str| {
            let (name, at) = place(root);
            given
                .get(name)
                .and_then(|v| v.get(at))
                .copied()
                .ok_or_else(|| missing(root))
        };
        roots.iter().map(value).collect()
    }

    /// Keys and values of the table that the first input is a handle of.
    fn table(&self, inputs: &[usize]) -> Option<[usize; 2]> {
        let node = self.handles.get(inputs.first()?)?;
        self.tables.get(node).copied()
    }

    fn node(&mut self, node: &Node, inputs: &[usize], depth: usize) -> Result<Vec<usize>, Reason> {
        /// Functions call functions, but not so deep.
        const DEEPEST: usize = 16;
        match node.kind.as_str() {
            "Const" => {
                let tensor = node.attributes.get("value").and_then(|a| a.tensor.as_ref());
                let found =
                    tensor.and_then(|t| tables::constant(&mut self.builder, t, &mut self.budget));
                // Of a type that nothing reads which is computed.
                let (array, kind) = found.unwrap_or((Array::vector(Vec::new()), Given::Numbers));
                let value = self.builder.constant(array);
                self.builder.set_kind(value, kind);
                Ok(vec![value])
            }
            "HashTableV2" | "MutableHashTableV2" => {
                let value = self.builder.fresh();
                self.handles.insert(value, node.name.clone());
                Ok(vec![value])
            }
            "LookupTableFindV2" | "LookupTableSizeV2" if self.table(inputs).is_some() => {
                let [keys, values] = self.table(inputs).unwrap_or_default();
                if let [_, x, default] = *inputs {
                    let label = Label {
                        kind: &node.kind,
                        name: &node.name,
                    };
                    let reads = [x, keys, values, default];
                    return Ok(vec![self.builder.step(Op::Find, label, &reads)]);
                }
                let size = self.builder.known(keys).map_or(0, |k| k.data.len());
                let value = self.builder.constant(Array::scalar(size as f64));
                self.builder.set_kind(value, Given::Wholes);
                Ok(vec![value])
            }
            "VarHandleOp" | "VariableV2" | "Variable" => {
                let array = self.variables.get(&node.name).ok_or_else(|| {
                    Reason::damaged(FORMAT, format!("variable `{}` is not stored", node.name))
                })?;
                self.budget.take(array.data.len() as u64 * 8, &node.name)?;
                let array = array.clone();
                Ok(vec![self.builder.constant(array)])
            }
            "StatefulPartitionedCall" | "PartitionedCall" if depth < DEEPEST => {
                let called = node.attributes.get("f").and_then(|a| a.function.as_ref());
                let called = called
                    .and_then(|f| self.functions.get(f.name.as_str()))
                    .copied();
                let Some((function, head)) = called.and_then(|f| Some((f, f.head.as_ref()?)))
                else {
                    return Err(Reason::damaged(
                        FORMAT,
                        format!("`{}` calls nothing", node.name),
                    ));
                };
                let arguments = head.inputs.iter().zip(inputs);
                let given = arguments.map(|(a, v)| (a.name.clone(), vec![*v])).collect();
                let returns = head.outputs.iter().map(|o| function.returns.get(&o.name));
                let roots: Option<Vec<&str>> = returns.map(|r| r.map(String::as_str)).collect();
                let lacks = || Reason::damaged(FORMAT, format!("`{}` returns nothing", head.name));
                self.nodes(&function.nodes, given, &roots.ok_or_else(lacks)?, depth + 1)
            }
            _ => Ok(operators::translate(&mut self.builder, node, inputs)),
        }
    }
}

/// The numbers of a constant; `None` if it holds none, or is damaged.
fn array(tensor: &Tensor, budget: &mut Budget) -> Option<Array<f64>> {
    let data: Vec<f64> = if tensor.content.is_empty() {
        let floats = tensor.floats.iter().map(|v| f64::from(*v));
        let ints = tensor.ints.iter().map(|v| f64::from(*v));
        let longs = tensor.longs.iter().map(|v| *v as f64);
        let flags = tensor.flags.iter().map(|v| f64::from(*v));
        floats
            .chain(tensor.doubles.iter().copied())
            .chain(ints)
            .chain(longs)
            .chain(flags)
            .collect()
    } else {
        numbers(&tensor.content, tensor.dtype)?
    };
    filled(tensor, data, budget)
}

/// Elements in the shape of their tensor; the last one stands for all that follow.
fn filled(tensor: &Tensor, mut data: Vec<f64>, budget: &mut Budget) -> Option<Array<f64>> {
    let dims = tensor.shape.iter().flat_map(|s| &s.dims);
    let count = dims
        .map(|d| usize::try_from(d.size).ok())
        .try_fold(1usize, |n, s| n.checked_mul(s?))?;
    budget
        .take((count as u64).saturating_mul(8), "a constant")
        .ok()?;
    if let Some(last) = data.last().copied().filter(|_| data.len() < count) {
        data.resize(count, last);
    }
    bundle::shaped(tensor.shape.as_ref(), data)
}

/// Little-endian elements; `None` if their type, as TensorFlow counts them, is not one of numbers.
fn numbers(raw: &[u8], dtype: i32) -> Option<Vec<f64>> {
    fn each<const N: usize>(raw: &[u8], of: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        Some(raw.as_chunks::<N>().0.iter().map(|b| of(*b)).collect())
    }
    match dtype {
        1 => each(raw, |b| f64::from(f32::from_le_bytes(b))),
        2 => each(raw, f64::from_le_bytes),
        3 => each(raw, |b| f64::from(i32::from_le_bytes(b))),
        4 | 10 => each(raw, |[b]| f64::from(b)),
        6 => each(raw, |[b]| f64::from(b as i8)),
        9 => each(raw, |b| i64::from_le_bytes(b) as f64),
        14 => each(raw, |b| half::bf16::from_le_bytes(b).to_f64()),
        19 => each(raw, |b| half::f16::from_le_bytes(b).to_f64()),
        _ => None,
    }
}
