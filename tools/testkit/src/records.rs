//! Raw records of a fixture, and the framework's own outputs on them.

use std::collections::HashMap;

use mmoe_tools::eval::evaluate;
use mmoe_tools::front::{Field, Given, Value};
use mmoe_tools::graph::Graph;

use crate::fixtures::fixture;

/// The rows of a `rows.csv`, each column by its name.
#[derive(Debug)]
pub struct Records {
    columns: HashMap<String, Vec<String>>,
    /// How many rows there are.
    pub count: usize,
}

impl Records {
    /// Reads `tests/fixtures/<path>`.
    #[must_use]
    pub fn read(path: &str) -> Self {
        let mut reader = csv::Reader::from_path(fixture(path)).unwrap();
        let header = reader.headers().unwrap().clone();
        let mut columns: HashMap<String, Vec<String>> = HashMap::new();
        let mut count = 0;
        for row in reader.records() {
            for (name, cell) in header.iter().zip(&row.unwrap()) {
                columns.entry(name.into()).or_default().push(cell.into());
            }
            count += 1;
        }
        Self { columns, count }
    }

    /// One record, as a model with these fields takes it.
    #[must_use]
    pub fn record(&self, fields: &[Field], row: usize) -> Vec<Value> {
        let cell = |f: &Field| value(f, &self.columns[&f.name][row]);
        fields.iter().map(cell).collect()
    }

    /// What the framework made of a task.
    #[must_use]
    pub fn output(&self, task: &str, row: usize) -> f64 {
        self.columns[&format!("p_{task}")][row].parse().unwrap()
    }

    /// Holds a graph against the framework's outputs on every row; the largest difference.
    #[must_use]
    pub fn worst(&self, graph: &Graph) -> f64 {
        let front = graph.front.as_ref().unwrap();
        let mut worst: f64 = 0.0;
        for row in 0..self.count {
            let vector = front.vector(&self.record(&front.fields, row)).unwrap();
            let y = evaluate(graph, &vector);
            for (task, y) in graph.tasks.iter().zip(&y.tasks) {
                let off = (y[0] - self.output(&task.name, row)).abs();
                assert!(!off.is_nan(), "`{}`, row {row}", task.name);
                worst = worst.max(off);
            }
        }
        worst
    }
}

/// A cell as the value of a field: an empty one is missing, or an empty list.
fn value(field: &Field, cell: &str) -> Value {
    if field.list.is_some() {
        let items = cell.split('|').filter(|item| !item.is_empty());
        return match field.given {
            Given::Id => Value::Ids(items.map(|item| item.parse().unwrap()).collect()),
            _ => Value::Texts(items.map(Into::into).collect()),
        };
    }
    match field.given {
        _ if cell.is_empty() => Value::Missing,
        Given::F32 => Value::Number(cell.parse().unwrap()),
        Given::I32 => Value::Int(cell.parse().unwrap()),
        Given::Id => Value::Id(cell.parse().unwrap()),
        Given::Text => Value::Text(cell.into()),
    }
}
