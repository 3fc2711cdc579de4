//! `docs/family.md` is true.

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::Runner;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::quantize;
use testkit::fixtures::{fixture, golden, made, read};

/// The fixtures' tasks where neither file nor spec names them.
const RECOMMENDER: [(&str, &str); 3] = [
    ("click", "sigmoid"),
    ("like", "sigmoid"),
    ("dwell", "linear"),
];
const CENSUS: [(&str, &str); 3] = [
    ("income", "sigmoid"),
    ("marital", "sigmoid"),
    ("weeks", "linear"),
];

fn graph_of(folder: &str) -> Graph {
    if let Some(keras) = ["model.keras", "model_keras3.keras"]
        .map(|f| format!("{folder}/{f}"))
        .iter()
        .find(|f| fixture(f).exists())
    {
        return build(read(keras), None, Options::default()).unwrap().graph;
    }
    let tasks = if folder == "deepctr-torch-mmoe" {
        CENSUS
    } else {
        RECOMMENDER
    };
    let spec =
        std::fs::read_to_string(fixture(&format!("{folder}/spec.toml"))).unwrap_or_else(|_| {
            tasks
                .map(|(name, activation)| {
                    format!("[[tasks]]\nname = \"{name}\"\nactivation = \"{activation}\"\n")
                })
                .concat()
        });
    build(
        read(&format!("{folder}/model.safetensors")),
        Some(&Spec::parse(&spec).unwrap()),
        Options::default(),
    )
    .unwrap()
    .graph
}

/// How far off a task is over all rows: worst and mean; of a probability as it is, of a regression
/// as a share of the range of its golden values.
struct Off {
    task: String,
    worst: f32,
    mean: f32,
}

fn differences(graph: Graph, folder: &str) -> Vec<Off> {
    let golden = golden(folder);
    let (x, width) = (&golden["x"].data, golden["x"].shape[1]);
    let calibration = Rows {
        data: x.clone(),
        width,
    };
    let conversion = Conversion {
        calibration: Some(calibration.into()),
        ..Conversion::new(Precision::I8)
    };
    let blob = conversion.run(&graph).unwrap().bytes();
    let mut runner = Runner::load(&blob).unwrap();
    assert!(runner.model.is_integer());
    let y: Vec<Vec<f32>> = x
        .chunks_exact(width)
        .map(|row| runner.predict(row).unwrap().0.to_vec())
        .collect();
    let off = |task: &mmoe_tools::engine::Task| {
        let wanted = &golden[&task.name].data;
        let (low, high) = wanted
            .iter()
            .fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let unit = if task.output.name() == "linear" {
            high - low
        } else {
            1.0
        };
        let got = y.iter().flat_map(|y| &y[task.range()]);
        assert_eq!(got.clone().count(), wanted.len());
        let differences: Vec<f32> = got
            .zip(wanted)
            .map(|(got, wanted)| (got - wanted).abs() / unit)
            .collect();
        Off {
            task: task.name.clone(),
            worst: differences.iter().copied().fold(0.0, f32::max),
            mean: differences.iter().sum::<f32>() / differences.len() as f32,
        }
    };
    runner.tasks.iter().map(off).collect()
}

/// The bounds that `docs/family.md` states.
#[test]
fn integers_stay_near_what_every_framework_computed() {
    let mut compared = 0;
    for entry in std::fs::read_dir(fixture("")).unwrap() {
        let folder = entry.unwrap().file_name().into_string().unwrap();
        if !fixture(&format!("{folder}/golden.npz")).exists() {
            continue;
        }
        for Off { task, worst, mean } in differences(graph_of(&folder), &folder) {
            println!("{folder} {task}: worst {worst:.4}, mean {mean:.4}");
            assert!(
                worst <= 0.1 && mean <= 0.01,
                "{folder}, `{task}`: worst {worst}, mean {mean}"
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 26);
}

#[test]
fn experts_that_end_unlike_need_one_step() {
    let golden = golden("torch-slices");
    let graph = graph_of("torch-slices");
    let calibration =
        quantize::calibrate(&graph, Some((&golden["x"].data, golden["x"].shape[1]))).unwrap();
    let error = quantize::quantize(&graph, &calibration, &quantize::Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("share a scale with sigmoid or tanh"),
        "{error}"
    );
}

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/family.md")).unwrap()
}

/// What stands between backticks.
fn ticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_names_tests_and_fixtures_that_exist() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let document = document();
    let mut rows = 0;
    for line in document.lines().filter(|l| l.starts_with("| S")) {
        let [_, number, _, _, _, tests, fixtures, _] =
            line.split('|').map(str::trim).collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        rows += 1;
        assert_eq!(number, format!("S{rows}"));
        for test in ticked(tests) {
            let (file, name) = test.split_once("::").unwrap_or((test, ""));
            let source = std::fs::read_to_string(format!("{root}/{file}"))
                .unwrap_or_else(|e| panic!("{number}: {file}: {e}"));
            // `fn name(` or, in a list of shapes, `name: Type;`.
            let there = name.is_empty()
                || source.contains(&format!("fn {name}("))
                || source.contains(&format!("    {name}: "));
            assert!(there, "{number}: {file} has no {name}");
        }
        assert!(
            ticked(tests).count() > 0 || fixtures.is_empty(),
            "{number} has no test"
        );
        for folder in ticked(fixtures) {
            assert!(fixture(folder).is_dir(), "{number}: there is no {folder}");
        }
    }
    assert_eq!(rows, 17);
    // Everything else that looks like a path.
    for path in ticked(&document)
        .filter(|t| t.contains('/') && !t.contains([' ', ':', '<', '=', '\n', '(']))
    {
        assert!(
            std::path::Path::new(&format!("{root}/{path}")).exists(),
            "there is no {path}"
        );
    }
}

/// A made file as a framework names its tensors.
#[derive(Default)]
struct File(Vec<(String, Vec<usize>)>);

impl File {
    fn linear(&mut self, prefix: &str, inputs: usize, outputs: usize) {
        self.0.extend([
            (format!("{prefix}.weight"), vec![outputs, inputs]),
            (format!("{prefix}.bias"), vec![outputs]),
        ]);
    }

    /// Linear layer, batch norm.
    fn normed(&mut self, prefix: &str, inputs: usize, outputs: usize) {
        self.linear(&format!("{prefix}.0"), inputs, outputs);
        self.0.extend(
            ["weight", "bias", "running_mean", "running_var"]
                .map(|p| (format!("{prefix}.1.{p}"), vec![outputs])),
        );
    }
}

/// A file for each example, six inputs wide.
fn file_for(name: &str) -> Weights {
    let mut f = File::default();
    match name {
        "mtreclib-omoe" => {
            (0..3).for_each(|i| f.normed(&format!("expert.{i}.mlp"), 6, 4));
            f.linear("gate.0", 6, 3);
            (0..2).for_each(|t| f.normed(&format!("tower.{t}.mlp"), 4, 3));
            (0..2).for_each(|t| f.linear(&format!("tower.{t}.mlp.4"), 3, 1));
        }
        "mtreclib-ple" => {
            for (l, inputs) in [(0, 6), (1, 4)] {
                (0..2).for_each(|t| f.normed(&format!("task_experts.{l}.{t}.0.mlp"), inputs, 4));
                f.normed(&format!("share_experts.{l}.0.mlp"), inputs, 4);
                (0..2).for_each(|t| f.linear(&format!("task_gates.{l}.{t}.0"), inputs, 2));
                f.linear(&format!("share_gates.{l}.0"), inputs, 3);
            }
            (0..2).for_each(|t| f.linear(&format!("tower.{t}.mlp.0"), 4, 1));
        }
        "fuxictr-mmoe" => {
            for i in 0..2 {
                f.linear(&format!("mmoe_layer.experts.{i}.mlp.0"), 6, 5);
                f.linear(&format!("mmoe_layer.experts.{i}.mlp.2"), 5, 4);
                f.linear(&format!("mmoe_layer.gate.{i}.mlp.0"), 6, 3);
                f.linear(&format!("mmoe_layer.gate.{i}.mlp.2"), 3, 2);
                f.linear(&format!("tower.{i}.mlp.0"), 4, 1);
            }
        }
        "fuxictr-ple" => {
            for (l, inputs) in [(0, 6), (1, 4)] {
                for i in 0..2 {
                    f.linear(
                        &format!("cgc_layers.{l}.specific_experts.{i}.0.mlp.0"),
                        inputs,
                        4,
                    );
                    f.linear(
                        &format!("cgc_layers.{l}.shared_experts.{i}.mlp.0"),
                        inputs,
                        4,
                    );
                    f.linear(&format!("cgc_layers.{l}.gate.{i}.mlp.0"), inputs, 3);
                }
                f.linear(&format!("cgc_layers.{l}.gate.2.mlp.0"), inputs, 2);
            }
            (0..2).for_each(|t| f.linear(&format!("tower.{t}.mlp.0"), 4, 1));
        }
        "libmtl-cgc" => {
            (0..2).for_each(|i| f.linear(&format!("experts_shared.{i}.0"), 6, 4));
            for task in ["ctr", "cvr"] {
                f.linear(&format!("experts_specific.{task}.0.0"), 6, 4);
                f.linear(&format!("gate_specific.{task}.0"), 6, 3);
                f.linear(&format!("decoders.{task}.0"), 4, 1);
            }
        }
        "libmtl-dselect-k" => {
            (0..3).for_each(|i| f.linear(&format!("experts_shared.{i}.0"), 6, 4));
            for task in ["ctr", "cvr"] {
                f.linear(&format!("_z_logits.{task}"), 6, 4);
                f.linear(&format!("_w_logits.{task}"), 6, 2);
                f.linear(&format!("decoders.{task}.0"), 4, 1);
            }
        }
        other => panic!("an example without a file: {other}"),
    }
    made(
        &f.0.iter()
            .map(|(n, s)| (n.as_str(), s.as_slice()))
            .collect::<Vec<_>>(),
    )
}

/// The specs of the page say of each framework's file what recognition finds in it.
#[test]
fn every_spec_computes_what_recognition_does() {
    let document = document();
    let examples: Vec<&str> = document
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let spec = Spec::parse(example).unwrap_or_else(|e| panic!("{e}\n{example}"));
        let file = file_for(example.split('"').nth(1).unwrap());
        let ours = build(file.clone(), Some(&spec), Options::default())
            .unwrap_or_else(|e| panic!("{e}\n{example}"));
        let tasks: String = example[example.find("[[tasks]]").unwrap()..].into();
        let found = build(
            file,
            Some(&Spec::parse(&tasks).unwrap()),
            Options::default(),
        )
        .unwrap_or_else(|e| panic!("{e}\n{example}"));
        assert_ne!(found.framework, ours.framework);
        let x = [0.7, -1.3, 0.4, 0.9, -0.2, 1.1];
        assert_eq!(
            evaluate(&ours.graph, &x).tasks,
            evaluate(&found.graph, &x).tasks,
            "{example}"
        );
        assert_eq!(ours.graph.nodes.len(), found.graph.nodes.len(), "{example}");
    }
}

#[test]
fn a_tower_that_reads_a_tower_is_refused_by_name() {
    for name in [
        "relation_mlps.buy.mlp.0.perceptron.0.weight",
        "buy/relation_dnn/dnn_0/kernel",
    ] {
        let error = build(made(&[(name, &[4, 8])]), None, Options::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("DBMTL") && error.contains(name), "{error}");
    }
}
