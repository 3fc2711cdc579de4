//! Embedding bags as PyTorch's exporters spell them: a loop over the bags of a flat list, whose bounds are
//! computed from the shape of the list of lists.
//!
//! A program has no loops. These ones are known by what they say: a loop, and all that it reads, is
//! written out as a term that no names are in, and one that is written like those of an exporter is a
//! look-up of the whole list, and the sum, mean or maximum of each row.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::array;
use super::messages::{Graph, Node};
use super::operators::Attributes;
use crate::import::collect::Budget;
use crate::program::build::{Builder, Label};
use crate::program::{Array, Op, Reduction};

/// What the loops of the exporters are, a line each; the length of a bag is `N`.
const KNOWN: &str = include_str!("loops.txt");
/// A term is no longer.
const LONGEST: usize = 1 << 14;

/// A graph in which bags are looked for.
pub(super) struct Loops<'g> {
    makers: HashMap<&'g str, &'g Node>,
    /// Lists of lists that are read as flat ones.
    flat: Vec<&'g str>,
}

/// A term that is being written.
struct Term<'g> {
    makers: Vec<HashMap<&'g str, &'g Node>>,
    /// By name: inputs and constants of the graphs within nodes.
    known: Vec<(&'g str, String)>,
    /// What is read as a flat list.
    list: &'g str,
    table: Option<usize>,
    reduction: Option<Reduction>,
    text: String,
}

impl<'g> Loops<'g> {
    pub(super) fn new(nodes: &'g [Node]) -> Self {
        let loops = nodes.iter().any(|n| n.kind == "Loop" || n.kind == "If");
        let nodes = nodes.iter().filter(|_| loops);
        let reshapes = nodes.clone().filter(|n| n.kind == "Reshape");
        Self {
            flat: reshapes
                .filter_map(|n| n.inputs.first())
                .map(String::as_str)
                .collect(),
            makers: makers(nodes),
        }
    }

    /// Adds the bag that a node is the end of; `false` if it is none.
    pub(super) fn translate(&self, b: &mut Builder, node: &'g Node, budget: &mut Budget) -> bool {
        if node.kind == "If" {
            return self.squeezed(b, node, budget).is_some();
        }
        if !matches!(node.kind.as_str(), "Loop" | "ConcatFromSequence") {
            return false;
        }
        let Some(output) = node.outputs.first() else {
            return false;
        };
        let found = self.flat.iter().find_map(|list| {
            let mut term = Term {
                makers: vec![self.makers.clone()],
                known: Vec::new(),
                list,
                table: None,
                reduction: None,
                text: String::new(),
            };
            term.write(b, output, budget)?;
            let (text, length) = without_length(&term.text);
            let known = KNOWN.lines().any(|line| line == text);
            Some((*list, length, term.table?, term.reduction?)).filter(|_| known)
        });
        let Some((list, length, table, by)) = found else {
            return false;
        };
        let label = Label {
            kind: &node.kind,
            name: &node.name,
        };
        let mut list = b.value(list);
        if let Some(length) = length {
            let shape = b.constant(Array::vector(vec![-1.0, length]));
            list = b.step(Op::Reshape { zero: false }, label, &[list, shape]);
        }
        let rows = b.step(Op::Gather { axis: 0 }, label, &[table, list]);
        let pool = Op::Reduce {
            by,
            axes: Some(vec![1]),
            keep: false,
        };
        let pooled = b.step(pool, label, &[rows]);
        let output = b.value(output);
        b.node(Op::Identity, label, &[Some(pooled)], vec![output]);
        true
    }
}

impl<'g> Loops<'g> {
    /// An axis that vanishes if it is of size 1, as it is written where the exporter does not know
    /// its size: a squeeze, which is refused if it is not.
    fn squeezed(&self, b: &mut Builder, node: &'g Node, budget: &mut Budget) -> Option<()> {
        let branch = |name: &str| {
            let found = node.attributes.iter().find(|a| a.name == name);
            found?.graph.as_deref()
        };
        let reads = |graph: &'g Graph, kind: &str| {
            let mut nodes = graph.nodes.iter().filter(|n| n.kind != "Constant");
            let only = nodes.next().filter(|n| n.kind == kind)?;
            nodes.next().is_none().then_some(only)
        };
        let then = branch("then_branch")?;
        let squeeze = reads(then, "Squeeze")?;
        let value = squeeze.inputs.first()?.as_str();
        let same = reads(branch("else_branch")?, "Identity")?.inputs.first()? == value;
        let mut term = Term {
            makers: vec![self.makers.clone(), makers(then.nodes.iter())],
            known: Vec::new(),
            list: value,
            table: None,
            reduction: None,
            text: String::new(),
        };
        let axes = match (Attributes(squeeze).ints("axes"), squeeze.inputs.get(1)) {
            (Some(axes), _) => axes,
            (None, axes) => term.whole(b, axes?, budget)?,
        };
        term.write(b, node.inputs.first()?, budget)?;
        let [axis] = axes[..] else {
            return None;
        };
        let asks = format!("Equal(Gather(Shape(L,),[{axis}.0],),[1.0],)");
        (same && term.text == asks).then_some(())?;
        let label = Label {
            kind: &squeeze.kind,
            name: &squeeze.name,
        };
        let reads = [Some(b.value(value))];
        let output = b.value(node.outputs.first()?);
        let axes = Some(axes);
        b.node(Op::Squeeze { axes }, label, &reads, vec![output]);
        Some(())
    }
}

fn makers<'g>(nodes: impl Iterator<Item = &'g Node>) -> HashMap<&'g str, &'g Node> {
    nodes
        .flat_map(|n| n.outputs.iter().map(move |o| (o.as_str(), n)))
        .collect()
}

/// A term in which the length of a bag, where it stands as a number, is a letter; and that length.
fn without_length(text: &str) -> (String, Option<f64>) {
    const BEFORE: &str = "Mul(Squeeze(Shape end=1(L,),),";
    let found = text.split_once(BEFORE).and_then(|(_, rest)| {
        let (number, _) = rest.strip_prefix('[')?.split_once(']')?;
        number.parse::<f64>().ok()
    });
    let Some(length) = found else {
        return (text.to_owned(), None);
    };
    let with = |length: &str| format!("{BEFORE}[{length}],),[{length}],");
    (
        text.replace(&with(&format!("{length:?}")), &with("N")),
        Some(length),
    )
}

impl<'g> Term<'g> {
    /// Writes what makes a value; `None` where that is not known, or too much.
    fn write(&mut self, b: &mut Builder, name: &'g str, budget: &mut Budget) -> Option<()> {
        if name == self.list {
            self.text.push('L');
            return Some(());
        }
        if self.text.len() > LONGEST || self.makers.len() > 8 {
            return None;
        }
        let maker = self.makers.iter().rev().find_map(|m| m.get(name)).copied();
        let Some(node) = maker else {
            return self.constant(b, name);
        };
        let attributes = Attributes(node);
        match node.kind.as_str() {
            "Constant" => {
                let value = attributes.find("value")?.tensor.as_ref()?;
                let array = array(value, None, budget).ok()?;
                write!(self.text, "{:?}", array.data).ok()?;
                return Some(());
            }
            // These say nothing here.
            "Identity" | "Cast" | "CastLike" => return self.write(b, node.inputs.first()?, budget),
            "ReduceSum" | "ReduceMean" | "ReduceMax" => {
                let by = match node.kind.as_str() {
                    "ReduceSum" => Reduction::Sum,
                    "ReduceMean" => Reduction::Mean,
                    _ => Reduction::Max,
                };
                // A mean is spelled as a sum and a division where a bag is the last.
                if self.reduction != Some(Reduction::Mean) {
                    self.reduction = Some(by);
                }
                let axes = match (attributes.ints("axes"), node.inputs.get(1)) {
                    (Some(axes), _) => axes,
                    (None, Some(axes)) => self.whole(b, axes, budget)?,
                    (None, None) => Vec::new(),
                };
                let keep = attributes.int("keepdims", 1);
                write!(self.text, "{}{axes:?}{keep}(", node.kind).ok()?;
                self.write(b, node.inputs.first()?, budget)?;
                self.text.push(')');
                return Some(());
            }
            _ => {}
        }
        write!(self.text, "{}", node.kind).ok()?;
        let place = node.outputs.iter().position(|o| o == name)?;
        if place > 0 {
            write!(self.text, ".{place}").ok()?;
        }
        for axis in ["axis", "start", "end", "keepdims", "fmod"] {
            if let Some(at) = attributes
                .find(axis)
                .and_then(|a| a.int)
                .filter(|at| *at != 0)
            {
                write!(self.text, " {axis}={at}").ok()?;
            }
        }
        self.text.push('(');
        for input in node.inputs.iter().filter(|i| !i.is_empty()) {
            self.write(b, input, budget)?;
            self.text.push(',');
        }
        for attribute in &node.attributes {
            if let Some(graph) = &attribute.graph {
                self.body(b, graph, budget)?;
            }
        }
        self.text.push(')');
        Some(())
    }

    /// What a graph within a node makes.
    fn body(&mut self, b: &mut Builder, graph: &'g Graph, budget: &mut Budget) -> Option<()> {
        let (depth, known) = (self.makers.len(), self.known.len());
        for (at, input) in graph.inputs.iter().enumerate() {
            self.known.push((&input.name, format!("i{depth}.{at}")));
        }
        for tensor in &graph.initializers {
            let data = array(tensor, None, budget).ok()?.data;
            let zeros = data.iter().all(|v| *v == 0.0);
            let text = if zeros {
                "zeros".into()
            } else {
                format!("{data:?}")
            };
            self.known.push((&tensor.name, text));
        }
        self.makers.push(makers(graph.nodes.iter()));
        self.text.push('{');
        for output in &graph.outputs {
            self.write(b, &output.name, budget)?;
            self.text.push(';');
        }
        self.text.push('}');
        self.makers.pop();
        self.known.truncate(known);
        Some(())
    }

    /// A number, or the table.
    fn constant(&mut self, b: &mut Builder, name: &str) -> Option<()> {
        if let Some((_, text)) = self.known.iter().rev().find(|(n, _)| *n == name) {
            self.text.push_str(text);
            return Some(());
        }
        let value = b.value(name);
        let array = b.known(value)?;
        if array.shape.len() == 2 {
            self.text.push('T');
            return (*self.table.get_or_insert(value) == value).then_some(());
        }
        write!(
            self.text,
            "{:?}",
            (array.data.len() <= 4).then_some(&array.data)?
        )
        .ok()
    }

    fn whole(&mut self, b: &mut Builder, name: &str, budget: &mut Budget) -> Option<Vec<i64>> {
        let maker = self.makers.iter().rev().find_map(|m| m.get(name)).copied();
        let data = match maker {
            Some(node) => {
                let attributes = Attributes(node);
                let value = attributes.find("value")?.tensor.as_ref()?;
                array(value, None, budget).ok()?.data
            }
            None => {
                let value = b.value(name);
                b.known(value)?.data.clone()
            }
        };
        Some(data.iter().map(|v| *v as i64).collect())
    }
}
