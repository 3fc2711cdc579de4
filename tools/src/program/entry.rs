//! What enters the layers of a program: numbers of the input, and rows of tables that ids of the
//! input look up.

use super::formula::{Formula, Id};
use super::symbol::Symbols;
use super::{Program, Refusal, outputs};
use crate::error::ModelError;
use crate::front::build::{Builder, Keys, Lookup, Rows, Scaling};
use crate::front::record::Record;
use crate::front::{Field, FrontError, Given, Number, Pool};
use crate::graph::Input;

/// A table that a program looks rows up in.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The node that did it first.
    pub(super) node: usize,
    pub(super) width: usize,
    /// Row after row.
    pub(super) rows: Vec<f64>,
}

/// One element of the input.
#[derive(Debug, Clone, PartialEq)]
struct Element {
    name: String,
    /// The tables that it is an id of, in the order of the vector; none: it is a number.
    tables: Vec<usize>,
    /// Where the elements of the vector begin that are made of it.
    first: usize,
}

/// How an input becomes the vector that the layers read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Entry {
    elements: Vec<Element>,
    tables: Vec<Table>,
    /// The vector's width.
    pub(super) width: usize,
}

impl Entry {
    /// After a run on symbols.
    pub(super) fn new(program: &Program, symbols: &Symbols) -> Result<Self, Refusal> {
        let mut entry = Self {
            tables: symbols.tables.clone(),
            ..Self::default()
        };
        if let Some(table) = entry.tables.iter().find(|t| t.rows.is_empty()) {
            let node = program.nodes.get(table.node);
            return Err(Refusal {
                node: node.map_or_else(String::new, ToString::to_string),
                shape: None,
                why: "looks rows up in a table that has none".into(),
            });
        }
        for (at, port) in program.inputs.iter().enumerate() {
            let count = outputs::features(program, at)?;
            for part in 0..count {
                let feature = entry.elements.len() as u32;
                let looked_up = symbols.looked_up.iter().filter(|(f, _)| *f == feature);
                let tables: Vec<usize> = looked_up.map(|(_, table)| *table).collect();
                let widths = tables.iter().map(|t| entry.tables[*t].width);
                let width = if tables.is_empty() { 1 } else { widths.sum() };
                let name = match count {
                    1 => port.name.clone(),
                    _ => format!("{}_{part}", port.name),
                };
                entry.elements.push(Element {
                    name,
                    tables,
                    first: entry.width,
                });
                entry.width += width;
            }
        }
        Ok(entry)
    }

    /// Where a formula stands in the vector, if it is a part of it.
    pub(super) fn place(&self, symbols: &Symbols, id: Id) -> Option<usize> {
        match *symbols.formula(id) {
            Formula::Feature(at) => {
                let element = self.elements.get(at as usize)?;
                element.tables.is_empty().then_some(element.first)
            }
            Formula::Row {
                table,
                feature,
                column,
            } => {
                let element = self.elements.get(feature as usize)?;
                let at = element.tables.iter().position(|t| *t == table as usize)?;
                let before = element.tables[..at].iter();
                let before: usize = before.map(|t| self.tables[*t].width).sum();
                Some(element.first + before + column as usize)
            }
            _ => None,
        }
    }

    /// Of each element of the input that is an id: how many there are.
    pub(super) fn ids(&self) -> impl Iterator<Item = Option<usize>> {
        self.elements.iter().map(|e| {
            let counts = e.tables.iter().map(|t| {
                let table = &self.tables[*t];
                table.rows.len().checked_div(table.width).unwrap_or(0)
            });
            counts.min()
        })
    }

    /// The vector of an input.
    pub(super) fn vector(&self, input: &[f64]) -> Vec<f64> {
        let mut vector = Vec::with_capacity(self.width);
        for (element, value) in self.elements.iter().zip(input) {
            if element.tables.is_empty() {
                vector.push(*value);
            }
            for table in &element.tables {
                let table = &self.tables[*table];
                let start = *value as usize * table.width;
                vector.extend_from_slice(&table.rows[start..start + table.width]);
            }
        }
        vector
    }

    /// The inputs of a plan, and what makes them of a record where ids enter.
    pub(super) fn plan(
        &self,
        program: &Program,
    ) -> Result<(Vec<Input>, Option<Record>), ModelError> {
        if self.tables.is_empty() {
            let ports = program.inputs.iter().enumerate();
            let inputs = ports.map(|(at, port)| {
                let count = outputs::features(program, at)?;
                Ok(Input::new(&port.name, count))
            });
            let inputs = inputs.collect::<Result<_, _>>();
            return Ok((inputs.map_err(|r| outputs::refused(program, &r))?, None));
        }
        let invalid = |why: FrontError| ModelError::Unsupported {
            place: "the graph's look-ups of ids".into(),
            what: why.to_string(),
            remedy: "describe the fields in the spec (docs/features.md)".into(),
        };
        let mut builder = Builder::default();
        for element in &self.elements {
            let given = if element.tables.is_empty() {
                Given::F32
            } else {
                Given::Id
            };
            let field = builder.field(Field::new(&element.name, given));
            if element.tables.is_empty() {
                builder.number(field, Number::default(), &Scaling::default());
            }
            for at in &element.tables {
                let table = &self.tables[*at];
                let node = program.nodes.get(table.node);
                #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
                let rows = Rows {
                    name: node.map_or_else(String::new, |n| n.name.clone()),
                    data: table.rows.iter().map(|v| *v as f32).collect(),
                    width: table.width,
                };
                let lookup = Lookup {
                    keys: Keys::Rows(rows.count()),
                    other: None,
                    missing: None,
                };
                builder
                    .rows(field, &lookup, &rows, Pool::One)
                    .map_err(invalid)?;
            }
        }
        builder.note(
            "ids of the graph's input look rows up in its tables: the blob takes a record of them, \
             and an id that has no row makes zeros"
                .into(),
        );
        Ok((Vec::new(), Some(builder.finish().map_err(invalid)?)))
    }
}
