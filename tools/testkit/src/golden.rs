//! Holding a graph against golden rows: outputs that a framework computed.

use indexmap::IndexMap;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Graph, Op};
use mmoe_tools::import::Tensor;

fn assert_close(what: &str, row: usize, got: &[f64], golden: &[f32]) {
    assert_eq!(got.len(), golden.len(), "{what}, row {row}");
    for (a, b) in got.iter().zip(golden) {
        let b = f64::from(*b);
        assert!(
            (a - b).abs() <= 1e-5 * b.abs().max(1.0),
            "{what}, row {row}: {a} against {b}"
        );
    }
}

/// Holds tasks, gates and experts of a one-level model against every row of a golden file.
pub fn assert_golden(graph: &Graph, golden: &IndexMap<String, Tensor>) {
    let x = &golden["x"];
    let experts = &golden["experts"];
    let mut compared = 0;
    for (row, features) in x.data.chunks_exact(x.shape[1]).enumerate() {
        let features: Vec<f64> = features.iter().map(|v| f64::from(*v)).collect();
        let y = evaluate(graph, &features);
        for (t, task) in graph.tasks.iter().enumerate() {
            let row_of =
                |name: &str, width: usize| golden[name].data.chunks_exact(width).nth(row).unwrap();
            assert_close(
                &task.name,
                row,
                &y.tasks[t],
                row_of(&task.name, y.tasks[t].len()),
            );
            let gate = format!("gate_{}", task.name);
            assert_close(&gate, row, &y.gates[t], row_of(&gate, y.gates[t].len()));
        }
        let all: Vec<f64> = y.experts.concat();
        assert_close(
            "experts",
            row,
            &all,
            experts.data.chunks_exact(all.len()).nth(row).unwrap(),
        );
        compared += 1;
    }
    assert_eq!(compared, 64);
    assert!(graph.nodes.iter().any(|n| matches!(n.op, Op::Gate { .. })));
}

/// Holds only the tasks of a model against every row of a golden file: for those without gates, and
/// for more levels than one.
pub fn assert_tasks(graph: &Graph, golden: &IndexMap<String, Tensor>) {
    let x = &golden["x"];
    let mut compared = 0;
    for (row, features) in x.data.chunks_exact(x.shape[1]).enumerate() {
        let features: Vec<f64> = features.iter().map(|v| f64::from(*v)).collect();
        let y = evaluate(graph, &features);
        for (got, task) in y.tasks.iter().zip(&graph.tasks) {
            assert_close(
                &task.name,
                row,
                got,
                golden[&task.name]
                    .data
                    .chunks_exact(got.len())
                    .nth(row)
                    .unwrap(),
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 64);
}
