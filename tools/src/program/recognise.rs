//! From a program to a plan.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::elements::Element;
use super::entry::Entry;
use super::formula::{Formula, Id};
use super::outputs::{self, Task};
use super::run::run;
use super::symbol::Symbols;
use super::vectors::Vectors;
use super::wiring::Wiring;
use super::{Program, Refusal, Unary};
use crate::error::ModelError;
use crate::import::Tensor;
use crate::plan::recognise::Found;
use crate::plan::{OutputPlan, Plan, TaskPlan};

/// What was recognised in a program.
#[derive(Debug)]
pub struct Recognised {
    /// The plan.
    pub found: Found,
    /// The tensors that it names.
    pub tensors: IndexMap<String, Tensor>,
    /// Where the program makes each task.
    pub tasks: Vec<Task>,
    /// How its input becomes the vector that the plan's layers read.
    pub(super) entry: Entry,
}

/// An output's columns that are one task.
struct Column {
    name: String,
    task: Task,
    output: OutputPlan,
    /// What the tower makes; of a product, the two factors' formulas.
    ids: Vec<Id>,
}

/// Finds the model in a program.
///
/// # Errors
///
/// [`ModelError::Recognition`] with the operation in the way: its kind, its name, the shape of what
/// it makes, and what would work.
pub fn recognise(program: &Program) -> Result<Recognised, ModelError> {
    let refused = |refusal| outputs::refused(program, &refusal);
    let mut symbols = Symbols::default();
    let mut columns = columns(program, &mut symbols).map_err(refused)?;
    name_tasks(program, &mut columns)?;
    let mut notes = Vec::new();
    products(&symbols, &mut columns, &mut notes);
    let roots: Vec<Id> = columns.iter().flat_map(|c| c.ids.clone()).collect();
    let entry = Entry::new(program, &mut symbols, &roots).map_err(refused)?;
    let (mut plan, tensors) = plan(program, &entry, &mut symbols, &columns).map_err(refused)?;
    (plan.inputs, plan.record) = entry.plan(program)?;
    let found = Found {
        framework: program.format,
        plan,
        tasks_named: true,
        assumptions: notes,
        ..Found::default()
    };
    let tasks = columns
        .into_iter()
        .map(|c| Task {
            name: c.name,
            ..c.task
        })
        .collect();
    Ok(Recognised {
        found,
        tensors,
        tasks,
        entry,
    })
}

/// The formulas of all outputs, column by column.
fn columns(program: &Program, symbols: &mut Symbols) -> Result<Vec<Column>, Refusal> {
    // Two rows, so that what mixes rows shows.
    let batch = outputs::batch(program)?.unwrap_or(2);
    for (at, port) in program.inputs.iter().enumerate() {
        let given = std::iter::repeat_n(port.given, outputs::features(program, at)?);
        symbols.given.extend(given);
    }
    let ids: Vec<Id> = (0..symbols.given.len() as u32)
        .map(|f| symbols.intern(Formula::Feature(f)))
        .collect();
    let feed = outputs::feed(program, batch, |row, feature| Element::Of {
        row: row as u32,
        id: ids[feature],
    })?;
    let made = run(program, symbols, feed)?;
    let mut columns = Vec::new();
    for (output, ((name, _), array)) in program.outputs.iter().zip(made).enumerate() {
        let refuse = |why: &str| Refusal {
            node: format!("output `{name}`"),
            shape: Some(array.shape.clone()),
            why: why.into(),
        };
        if array.shape.first() != Some(&batch) || array.data.is_empty() {
            return Err(refuse(
                "has no row for each row of the input: its first axis is the batch",
            ));
        }
        let width = array.data.len() / batch;
        let mut row = Vec::with_capacity(width);
        for (at, element) in array.data.iter().enumerate() {
            match element {
                Element::Of { row: r, id } if *r as usize == at / width => {
                    if at < width {
                        row.push(*id);
                    } else if row[at % width] != *id {
                        return Err(refuse("is computed otherwise in each row"));
                    }
                }
                Element::Of { .. } => return Err(refuse("takes its rows from other rows")),
                Element::Known(_) => return Err(refuse("does not depend on the input")),
            }
        }
        columns.extend(tasks(symbols, name, output, &row));
    }
    Ok(columns)
}

/// The plan of these columns, and the tensors that it names.
fn plan(
    program: &Program,
    entry: &Entry,
    symbols: &mut Symbols,
    columns: &[Column],
) -> Result<(Plan, IndexMap<String, Tensor>), Refusal> {
    let mut vectors = Vectors::new(program, entry, symbols);
    let mut towers = Vec::new();
    for column in columns {
        if !matches!(column.output, OutputPlan::Product(..)) {
            towers.push((column.name.clone(), vectors.of(column.ids.clone(), 0)?));
        }
    }
    let mut wiring = Wiring::new(&vectors, entry.width);
    let (levels, units) = wiring.plan(&towers)?;
    let tensors = wiring.tensors;
    let task = |c: &Column| TaskPlan {
        name: c.name.clone(),
        output: Some(c.output),
        differs: None,
    };
    let plan = Plan {
        name: "model".into(),
        levels,
        towers: units,
        tasks: columns.iter().map(task).collect(),
        ..Plan::default()
    };
    Ok((plan, tensors))
}

/// The tasks that an output's columns are.
fn tasks(s: &Symbols, name: &str, output: usize, row: &[Id]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    let mut at = 0;
    while at < row.len() {
        let (plan, ids) = kind(s, &row[at..]);
        let task = Task {
            name: name.into(),
            output,
            columns: (at..at + ids.len()).collect(),
        };
        at += ids.len();
        columns.push(Column {
            name: name.into(),
            task,
            output: plan,
            ids,
        });
    }
    let many = columns.len() > 1;
    for (at, column) in columns.iter_mut().enumerate().filter(|_| many) {
        column.name = format!("{name}_{at}");
    }
    columns
}

/// How the next columns are made, and what of.
fn kind(s: &Symbols, row: &[Id]) -> (OutputPlan, Vec<Id>) {
    let first = row[0];
    match s.formula(first) {
        Formula::Softmax(logits, 0) => {
            let whole = row.len() >= logits.len()
                && (0..logits.len())
                    .all(|at| *s.formula(row[at]) == Formula::Softmax(logits.clone(), at as u32));
            if whole {
                return (OutputPlan::Softmax, logits.to_vec());
            }
        }
        Formula::Function(f, z) => {
            let plan = match *f {
                Unary::Sigmoid => OutputPlan::Sigmoid,
                Unary::Relu => OutputPlan::Relu,
                Unary::Softplus => OutputPlan::Softplus,
                Unary::Exp => OutputPlan::Exp,
                Unary::Tanh => OutputPlan::Tanh,
                Unary::Clip { min, max } => OutputPlan::Clip { min, max },
                _ => return (OutputPlan::Linear, vec![first]),
            };
            return (plan, vec![*z]);
        }
        // Units of one layer belong together.
        Formula::Sum(terms, _) if terms.len() > 1 => {
            let atoms = |id: Id| match s.formula(id) {
                Formula::Sum(terms, _) => terms.iter().map(|(id, _)| *id).collect(),
                _ => Vec::new(),
            };
            let own: Vec<Id> = atoms(first);
            let units = row.iter().take_while(|id| atoms(**id) == own);
            return (OutputPlan::Linear, units.copied().collect());
        }
        _ => {}
    }
    (OutputPlan::Linear, vec![first])
}

/// Gives the tasks the names that the user gave.
fn name_tasks(program: &Program, columns: &mut Vec<Column>) -> Result<(), ModelError> {
    let names = &program.tasks;
    if names.is_empty() {
        return Ok(());
    }
    let width: usize = columns.iter().map(|c| c.task.columns.len()).sum();
    if names.len() != columns.len() && names.len() == width {
        // Each column by itself, where none is part of a softmax.
        let split = std::mem::take(columns).into_iter().flat_map(|c| {
            let whole = c.output == OutputPlan::Softmax;
            let parts = if whole { 1 } else { c.ids.len() };
            let each = c.ids.len() / parts;
            (0..parts)
                .map(|p| Column {
                    name: c.name.clone(),
                    task: Task {
                        columns: c.task.columns[p * each..(p + 1) * each].to_vec(),
                        ..c.task.clone()
                    },
                    output: c.output,
                    ids: c.ids[p * each..(p + 1) * each].to_vec(),
                })
                .collect::<Vec<_>>()
        });
        *columns = split.collect();
    }
    if names.len() != columns.len() {
        let found: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        return Err(ModelError::Invalid {
            place: format!("the list of {} task names", names.len()),
            what: format!(
                "the graph has {} outputs: {}",
                columns.len(),
                found.join(", ")
            ),
            remedy: "name each of them, in this order".into(),
        });
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.name.clone_from(name);
    }
    Ok(())
}

/// Finds outputs that are the product of two probabilities, and puts them last.
fn products(s: &Symbols, columns: &mut Vec<Column>, notes: &mut Vec<String>) {
    let probability = |id: Id| match *s.formula(id) {
        Formula::Function(Unary::Sigmoid, z) => Some(z),
        _ => None,
    };
    let mut towers: HashMap<Id, usize> = HashMap::new();
    let (mut plain, mut made): (Vec<Column>, Vec<(Column, [Id; 2])>) = (Vec::new(), Vec::new());
    for column in std::mem::take(columns) {
        let factors = match (column.output, &column.ids[..]) {
            (OutputPlan::Linear, [id]) => match *s.formula(*id) {
                Formula::Product(a, b) => probability(a).zip(probability(b)),
                _ => None,
            },
            _ => None,
        };
        if let Some((a, b)) = factors {
            made.push((column, [a, b]));
            continue;
        }
        if column.output == OutputPlan::Sigmoid {
            towers.entry(column.ids[0]).or_insert(plain.len());
        }
        plain.push(column);
    }
    let mut last = Vec::new();
    for (mut column, factors) in made {
        let at = factors.map(|z| {
            *towers.entry(z).or_insert_with(|| {
                let name = format!("{}_factor", column.name);
                notes.push(format!(
                    "output `{}` is a product, of which one factor is no output: it becomes the \
                     task `{name}`",
                    column.name
                ));
                plain.push(Column {
                    task: Task {
                        name: name.clone(),
                        output: 0,
                        columns: Vec::new(),
                    },
                    name,
                    output: OutputPlan::Sigmoid,
                    ids: vec![z],
                });
                plain.len() - 1
            })
        });
        column.output = OutputPlan::Product(at[0], at[1]);
        last.push(column);
    }
    plain.extend(last);
    *columns = plain;
}
