//! What sharing saves, as `docs/family.md` has it. `BLESS=1 cargo test -p mmoe-tools --test
//! sharing` writes the table anew.

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::cost::cores::Measurements;
use mmoe_tools::cost::cost;
use mmoe_tools::data::{Rows, Samples};
use mmoe_tools::engine::Runner;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::Graph;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::text::grouped;
use testkit::fixtures::{fixture, read};

/// Each task with the whole network that it uses.
const INDEPENDENT: &str = r#"
name = "independent"
layout = "out_in"
[towers]
layers = [
  { weight = "bottom.0.weight", bias = "bottom.0.bias", activation = "relu" },
  { weight = "towers.{task}.0.weight", bias = "towers.{task}.0.bias", activation = "relu" },
  { weight = "towers.{task}.2.weight", bias = "towers.{task}.2.bias" },
]
"#;

/// Each task with experts and a gate of its own.
const MIXTURES: &str = r#"
name = "mixtures"
layout = "out_in"
[[experts.list]]
count = 3
layers = [ { weight = "experts.{expert}.0.weight", bias = "experts.{expert}.0.bias", activation = "relu" } ]
[[experts.list]]
count = 3
layers = [ { weight = "experts.{expert-3}.0.weight", bias = "experts.{expert-3}.0.bias", activation = "relu" } ]
[[gates.list]]
sees = [0, 1, 2]
layers = [ { weight = "gates.0.weight", bias = "gates.0.bias", activation = "softmax" } ]
[[gates.list]]
sees = [3, 4, 5]
layers = [ { weight = "gates.1.weight", bias = "gates.1.bias", activation = "softmax" } ]
[towers]
layers = [
  { weight = "towers.{task}.0.weight", bias = "towers.{task}.0.bias", activation = "relu" },
  { weight = "towers.{task}.2.weight", bias = "towers.{task}.2.bias" },
]
"#;

const TASKS: &str = "[[tasks]]\nname = \"y0\"\nactivation = \"linear\"\n[[tasks]]\nname = \
                     \"y1\"\nactivation = \"linear\"\n";

fn graph(weights: &str, spec: &str) -> Graph {
    build(
        read(&format!("paper/{weights}-0.5-1.safetensors")),
        Some(&Spec::parse(spec).unwrap()),
        Options::default(),
    )
    .unwrap()
    .graph
}

/// Parameters, multiply-accumulates, bytes in three precisions, M4F instructions in I8.
fn row(name: &str, graph: &Graph) -> String {
    let x = &read("paper/test_set-0.5.npz").tensors["x"].data;
    let calibration = Some(Samples::Vectors(Rows {
        data: x.clone(),
        width: 100,
    }));
    let mut costs = Vec::new();
    let mut instructions = 0.0;
    for precision in [Precision::F32, Precision::W8, Precision::I8] {
        let conversion = Conversion {
            calibration: calibration.clone(),
            ..Conversion::new(precision)
        };
        let bytes = conversion.run(graph).unwrap().bytes();
        let runner = Runner::load(&bytes).unwrap();
        let cost = cost(&runner.model);
        instructions = Measurements::built_in()
            .estimate("m4f", "3", runner.model.blob(), &cost)
            .unwrap()
            .predict;
        costs.push(cost);
    }
    let [a, b, c] = &costs[..] else {
        unreachable!()
    };
    let numbers = [
        a.parameters,
        a.macs,
        a.blob as u64,
        b.blob as u64,
        c.blob as u64,
        (instructions / 100.0).round() as u64 * 100,
    ];
    format!("| {name} | {} |\n", numbers.map(grouped).join(" | "))
}

#[test]
fn the_table_is_what_the_models_take() {
    let spec =
        |kind: &str| std::fs::read_to_string(fixture(&format!("paper/{kind}.toml"))).unwrap();
    let (bottom, mmoe, omoe) = (
        graph("shared-bottom", &spec("shared-bottom")),
        graph("mmoe", &spec("mmoe")),
        graph("omoe", &spec("omoe")),
    );
    let (alone, mixtures) = (
        graph("shared-bottom", &(INDEPENDENT.to_owned() + TASKS)),
        graph("mmoe", &(MIXTURES.to_owned() + TASKS)),
    );
    // Taken apart, they compute the same.
    let x: Vec<f64> = read("paper/test_set-0.5.npz").tensors["x"].data[..100]
        .iter()
        .map(|v| f64::from(*v))
        .collect();
    assert_eq!(evaluate(&bottom, &x).tasks, evaluate(&alone, &x).tasks);
    assert_eq!(evaluate(&mmoe, &x).tasks, evaluate(&mixtures, &x).tasks);

    let table = [
        row("shared bottom", &bottom),
        row("the same as independent models", &alone),
        row("MMoE", &mmoe),
        row("the same as independent mixtures", &mixtures),
        row("OMoE", &omoe),
    ]
    .concat();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/family.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page
        .split_once("| shared bottom | 5,")
        .expect("the table's first row");
    let end = rest.find("\n\n").unwrap();
    if std::env::var_os("BLESS").is_some() {
        return std::fs::write(path, format!("{before}{table}{}", &rest[end + 1..])).unwrap();
    }
    assert_eq!(format!("| shared bottom | 5,{}\n", &rest[..end]), table);
}
