//! Small graphs of `graph_export/export.py`, one for each kind of spelling, against the outputs of
//! the frameworks that wrote them.

mod tool;

use std::fs;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use mmoe_tools::eval::evaluate;
use mmoe_tools::front::{Field, Given, Value};
use mmoe_tools::import::{self, Tensor};
use mmoe_tools::model::{self, Options, Recognised};
use tool::fixture;

/// How far an output may be off where info.json does not say: in shares of the larger of 1 and the
/// output's largest value.
const TOLERANCE: f64 = 1e-5;

struct Exported {
    name: String,
    file: PathBuf,
    golden: IndexMap<String, Tensor>,
    info: serde_json::Value,
}

impl Exported {
    fn words(&self, key: &str) -> Option<Vec<&str>> {
        let list = self.info[key].as_array()?;
        Some(list.iter().map(|w| w.as_str().unwrap()).collect())
    }

    fn model(&self) -> Result<Recognised, String> {
        let weights = import::read(&self.file).map_err(|why| why.to_string())?;
        model::build(weights, None, Options::default()).map_err(|why| why.to_string())
    }
}

fn exported() -> Vec<Exported> {
    let mut folders: Vec<PathBuf> = fs::read_dir(fixture("graphs-exported"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    let load = |folder: &PathBuf| {
        let info: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("info.json")).unwrap()).unwrap();
        Exported {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            file: folder.join(info["file"].as_str().unwrap()),
            golden: import::read_data(&fs::read(folder.join("golden.npz")).unwrap()).unwrap(),
            info,
        }
    };
    folders.iter().map(load).collect()
}

/// By name, the cells of a row: `rows.csv` where fields enter, or else the columns of `x`.
type Row = IndexMap<String, String>;

impl Exported {
    fn rows(&self) -> Vec<Row> {
        if let Some(file) = self.info["records"].as_str() {
            let text = fs::read_to_string(self.file.with_file_name(file)).unwrap();
            let mut lines = text.lines().map(|line| line.split(',').map(String::from));
            let names: Vec<String> = lines.next().unwrap().collect();
            return lines
                .map(|cells| names.iter().cloned().zip(cells).collect())
                .collect();
        }
        let x = &self.golden["x"];
        let named = |row: &[f32]| {
            let cells = row.iter().enumerate();
            cells
                .map(|(at, v)| (at.to_string(), v.to_string()))
                .collect()
        };
        x.data.chunks_exact(x.shape[1]).map(named).collect()
    }
}

/// What the layers read of a row: itself, or what the front end makes of it as a record. Items of a
/// list stand in one cell, or in as many cells as the list is long.
fn vector(made: &Recognised, row: &Row) -> Vec<f64> {
    let Some(front) = &made.graph.front else {
        return row.values().map(|v| v.parse().unwrap()).collect();
    };
    let by_name = front.fields.iter().all(|f| row.contains_key(&f.name));
    let mut cells = row.values();
    let mut value = |field: &Field| {
        let many = field.list.map_or(1, |list| list.max);
        let found: Vec<&str> = match row.get(&field.name) {
            Some(cell) if by_name => cell.split('|').collect(),
            _ => cells.by_ref().take(many).map(String::as_str).collect(),
        };
        let padding = field.text.padding.as_deref();
        let items = found.iter().filter(|item| Some(**item) != padding);
        match (field.given, field.list) {
            (Given::Id, None) => Value::Id(found[0].parse().unwrap()),
            (Given::I32, None) => Value::Int(found[0].parse().unwrap()),
            (Given::F32, _) => Value::Number(found[0].parse().unwrap()),
            (Given::Text, None) => Value::Text(found[0].into()),
            (Given::Text, Some(_)) => Value::Texts(items.map(|item| (*item).into()).collect()),
            (_, Some(_)) => Value::Ids(items.map(|item| item.parse().unwrap()).collect()),
        }
    };
    let record: Vec<Value> = front.fields.iter().map(&mut value).collect();
    front.vector(&record).unwrap()
}

/// The columns of one output of the file: a task of its own, or numbered tasks one after the other.
fn columns(made: &Recognised, row: &Row, output: &str) -> Vec<f64> {
    let tasks = evaluate(&made.graph, &vector(made, row)).tasks;
    let find = |name: &str| made.graph.tasks.iter().position(|t| t.name == name);
    if let Some(at) = find(output) {
        return tasks[at].clone();
    }
    (0..)
        .map_while(|at| find(&format!("{output}_{at}")))
        .flat_map(|at| tasks[at].clone())
        .collect()
}

#[test]
fn every_spelling_becomes_a_model_that_gives_what_the_framework_gave() {
    let mut right = 0;
    for graph in exported() {
        if graph.words("refuse").is_some() {
            continue;
        }
        let made = graph
            .model()
            .unwrap_or_else(|why| panic!("{}: {why}", graph.name));
        assert!(made.open.is_empty(), "{}: {:?}", graph.name, made.open);
        let tolerance = graph.info["tolerance"].as_f64().unwrap_or(TOLERANCE);
        for (at, row) in graph.rows().into_iter().enumerate() {
            for output in graph.words("outputs").unwrap() {
                let golden = &graph.golden[output];
                let width = golden.data.len() / golden.shape[0];
                let largest = golden.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
                let found = columns(&made, &row, output);
                assert_eq!(found.len(), width, "{}: {output}", graph.name);
                for (found, wanted) in found.iter().zip(&golden.data[at * width..]) {
                    let off = (found - f64::from(*wanted)).abs() / f64::from(largest);
                    let place = format!("{}, row {at}, {output}", graph.name);
                    assert!(off <= tolerance, "{place}: {found} instead of {wanted}");
                }
            }
        }
        right += 1;
    }
    assert!(right >= 35, "{right}");
}

#[test]
fn what_computes_something_else_is_refused_by_the_name_of_the_node() {
    let mut refused = 0;
    for graph in exported() {
        let Some(words) = graph.words("refuse") else {
            continue;
        };
        let Err(why) = graph.model() else {
            panic!("{} became a model", graph.name);
        };
        for word in words {
            assert!(why.contains(word), "{}: {why}", graph.name);
        }
        refused += 1;
    }
    assert!(refused >= 3, "{refused}");
}

/// Ids that tables are looked up by become fields of a record; numbers stay numbers.
#[test]
fn ids_of_a_graph_are_fields() {
    for (name, fields) in [
        ("torch-ids-columns-dynamo20", 4),
        // Three items are one list.
        ("torch-ids-lists-legacy17", 4),
        ("torch-ids-in-a-row-dynamo20", 4),
    ] {
        let file = Path::new(&fixture("graphs-exported")).join(name);
        let weights = import::read(&file.join("model.onnx")).unwrap();
        let made = model::build(weights, None, Options::default()).unwrap();
        let front = made.graph.front.expect(name);
        assert_eq!(front.fields.len(), fields, "{name}");
        assert_eq!(front.fields[0].given, Given::Id, "{name}");
        assert_eq!(front.fields[fields - 1].given, Given::F32, "{name}");
    }
}

/// What a graph looks up, compares and pools says what its fields are given as.
#[test]
fn fields_are_given_as_the_graph_takes_them() {
    let fields = |name: &str, file: &str| {
        let file = Path::new(&fixture("graphs-exported")).join(name).join(file);
        let weights = import::read(&file).unwrap();
        let made = model::build(weights, None, Options::default()).unwrap();
        made.graph.front.unwrap()
    };
    let given = |front: &mmoe_tools::front::Front| -> Vec<(String, Given)> {
        let fields = front.fields.iter();
        fields.map(|f| (f.name.clone(), f.given)).collect()
    };
    let front = fields("fields-sklearn-one-hot", "model.onnx");
    let wanted = [
        ("city", Given::Text),
        ("plan", Given::Id),
        ("income", Given::F32),
    ];
    assert_eq!(given(&front), wanted.map(|(n, g)| (n.to_owned(), g)));
    let front = fields("fields-tf-tables-saved-model", "saved_model");
    assert_eq!(front.fields.len(), 3, "{front:?}");
    // Plans are looked up as texts in a file and hashed: one field, two tables.
    assert_eq!(front.features.len(), 4, "{front:?}");
    let front = fields("fields-bag-clamped-dynamo20", "model.onnx");
    let history = &front.fields[1];
    assert_eq!(
        (history.name.as_str(), history.given),
        ("history", Given::Id)
    );
    assert_eq!(history.list.unwrap().max, 5);
    assert_eq!(history.text.padding.as_deref(), Some("0"));
    let pools: Vec<_> = front.features.iter().map(|f| &f.makes).collect();
    assert!(format!("{pools:?}").contains("pool: Mean"), "{pools:?}");
}

#[test]
fn the_parts_are_those_of_the_model() {
    let file = |name: &str| Path::new(&fixture("graphs-exported")).join(name);
    for (name, says) in [
        (
            "torch-grouped-conv1d-legacy17/model.onnx",
            "3 experts, 2 gates, 2 towers",
        ),
        // Two towers, of which one reads twice the mixture.
        (
            "torch-unoptimized-sequences-dynamo20/model.onnx",
            "3 experts, 1 gate, 2 towers",
        ),
        (
            "keras-ple2-tflite/model.tflite",
            "12 experts, 5 gates, 2 towers",
        ),
    ] {
        let out = tool::ok(&format!("inspect {}", file(name).display()));
        assert!(out.contains(says), "{name}: {out}");
    }
    for (name, kind) in [
        ("torch-gate-dselect-k-legacy17", "DSelectK { k: 2 }"),
        ("torch-gate-hard-one-hot-dynamo20", "Hard"),
        ("torch-gate-hard-topk-legacy17", "Hard"),
    ] {
        let weights = import::read(&file(name).join("model.onnx")).unwrap();
        let made = model::build(weights, None, Options::default()).unwrap();
        let found = format!("{:?}", made.graph);
        assert!(found.contains(kind), "{name}: {found}");
    }
}
