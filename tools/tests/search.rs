//! Golden rows decide what files leave open: models that frameworks' own classes made with settings
//! that no file states (`tests/fixtures/open-questions`), and models made to be hard to decide.

mod tool;

use std::path::{Path, PathBuf};

use mmoe_tools::data::Data;
use mmoe_tools::golden::{self, Outline, What};
use mmoe_tools::import;
use mmoe_tools::model;
use mmoe_tools::plan::open::{Choice, Topic};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::plan::{ActivationPlan, GateKindPlan};
use mmoe_tools::search::{Outcome, search};
use tool::{Place, fails, npz, ok, run, safetensors};

/// What the classes were told, as the search must find it: the answers that are not the usual
/// ones, and those beside them that it must not mistake.
const TRUTH: &[(&str, &[&str])] = &[
    (
        "torch-stem-tanh.pt",
        &[
            "the last layer before experts and gates: tanh",
            "hidden layers of the experts: relu",
            "the last layer of the experts: relu",
        ],
    ),
    (
        "torch-groups-silu.pt",
        &[
            "group_norm of 4 groups",
            "hidden layers of the experts: silu",
            "the last layer of the experts: silu",
            "hidden layers of the towers: relu",
        ],
    ),
    (
        "torch-rms-behind-gelu.pt",
        &[
            "norms of the experts stand: behind the activation",
            "hidden layers of the experts: gelu,",
            "rms_norm",
        ],
    ),
    (
        "torch-mish.pt",
        &[
            "hidden layers of the experts: mish",
            "the last layer of the experts: mish",
            "hidden layers of the towers: mish",
        ],
    ),
    (
        "torch-linear-gates.pt",
        &["logits become weights by: linear"],
    ),
    (
        "torch-deep-gates.pt",
        &[
            "hidden layers of the gates: tanh",
            "hidden layers of the towers: gelu,",
        ],
    ),
    (
        "plain-act-sigmoid.pt",
        &[
            "hidden layers of the experts: sigmoid",
            "hidden layers of the towers: sigmoid",
            "the last layer of the experts: sigmoid",
            "logits become weights by: softmax",
        ],
    ),
    (
        "plain-act-elu.pt",
        &[
            "hidden layers of the experts: elu",
            "hidden layers of the towers: elu",
            "the last layer of the experts: elu",
        ],
    ),
    (
        "plain-gate-sigmoid.pt",
        &[
            "hidden layers of the experts: relu",
            "logits become weights by: sigmoid",
        ],
    ),
    (
        "plain-fc-nolast.pt",
        &[
            "hidden layers of the experts: relu",
            "the last layer of the experts: linear",
        ],
    ),
    (
        "plain-ln-after.pt",
        &[
            "norms without statistics in the layers of the experts: layer_norm",
            "norms of the experts stand: behind the activation",
            "norms add to the variance: 1e-5",
        ],
    ),
    (
        "plain-ln-before.pt",
        &[
            "norms without statistics in the layers of the experts: layer_norm",
            "norms add to the variance: 1e-5",
        ],
    ),
    (
        "plain-bn-after.pt",
        &[
            "norms of the experts stand: behind the activation",
            "norms add to the variance: 1e-5",
        ],
    ),
    (
        "plain-tower-ln-after.pt",
        &["norms without statistics in the layers of the towers: layer_norm"],
    ),
    (
        "plain-resid.pt",
        &["layers of the experts: add their input"],
    ),
    (
        "plain-inbn.pt",
        &["rows of data hold: what the layers before experts and gates made"],
    ),
    (
        "plain-rmsnorm.pt",
        &[
            "norms without statistics in the layers of the experts: rms_norm",
            "norms add to the variance: 1.1920928955078125e-7",
        ],
    ),
    (
        "plain-groupnorm.pt",
        &[
            "norms without statistics in the layers of the experts: group_norm of 2 groups",
            "norms add to the variance: 1e-5",
        ],
    ),
    ("norms-bneps.pt", &["norms add to the variance: 1e-3"]),
    (
        "norms-scale.pt",
        &["norms without statistics in the layers of the experts: scale"],
    ),
    (
        "libmtl-mmoe-act-leaky_relu.pt",
        &[
            "hidden layers of the experts: leaky_relu(0.01)",
            "the last layer of the experts: leaky_relu(0.01)",
        ],
    ),
    (
        "libmtl-mmoe-act-sigmoid.pt",
        &[
            "hidden layers of the experts: sigmoid",
            "hidden layers of the towers: sigmoid",
        ],
    ),
    (
        "libmtl-mmoe-act-silu.pt",
        &[
            "hidden layers of the experts: silu",
            "hidden layers of the towers: silu",
        ],
    ),
    (
        "libmtl-mmoe-nolast.pt",
        &[
            "hidden layers of the experts: relu",
            "the last layer of the experts: linear",
        ],
    ),
    ("dctorch-mmoe-act-linear.pt", &["hidden layers: linear"]),
    ("dctorch-mmoe-act-gelu.pt", &["hidden layers: gelu,"]),
    (
        "rechub-ple-2-2-1-leakyrelu.pt",
        &["hidden layers: leaky_relu(0.01)"],
    ),
    ("rechub-aitm-3.pt", &["hidden layers: relu"]),
    ("rechub-mmoe-act-relu6.pt", &["hidden layers: relu6"]),
    (
        "tz-mmoe-act-nn.LeakyReLU-no.pt",
        &["hidden layers: leaky_relu(0.01)"],
    ),
    ("tz-mmoe-act-none-ln.pt", &["hidden layers: linear"]),
    ("tz-mmoe-act-nn.GELU-no.pt", &["hidden layers: gelu,"]),
    ("fuxi-mmoe-act-tanh-bn1.model", &["hidden layers: tanh"]),
];

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(tool::fixture(path))
}

/// What one of these files becomes with its golden rows.
fn searched(file: &str) -> (Outcome, Data) {
    let base = format!("open-questions/{}", file.rsplit_once('.').unwrap().0);
    let weights = import::read(&fixture(&format!("open-questions/{file}"))).unwrap();
    let tasks = std::fs::read_to_string(fixture(&format!("{base}.tasks.toml"))).unwrap();
    let spec = Spec::parse(&tasks).unwrap();
    let data = Data::read(&fixture(&format!("{base}.golden.npz"))).unwrap();
    let found = model::find(&weights, Some(&spec)).unwrap();
    let outcome = search(&found.plan, &found.habits, &weights, &data, |_, _| ())
        .unwrap_or_else(|e| panic!("{file}: {e}"))
        .unwrap_or_else(|| panic!("{file}: nothing is open"));
    if let Outcome::Settled(settled) = &outcome {
        // What was taken gives the framework's own outputs, every array on every row.
        let mut found = found;
        found.plan = settled.plan.clone();
        assert!(found.open().is_empty(), "{file}: questions are left");
        let made = model::make(found, weights, Some(&spec), model::Options::default()).unwrap();
        let outline = Outline::of_graph(&made.graph);
        let (_, differences) = golden::compare(&outline, &data, What::All, |x, _| {
            let x = x.vector(None).unwrap();
            Ok::<_, mmoe_tools::data::DataError>(mmoe_tools::eval::evaluate(&made.graph, &x))
        })
        .unwrap();
        assert!(
            differences.iter().all(|d| d.within(1e-5)),
            "{file}: {differences:?}"
        );
    }
    (outcome, data)
}

#[test]
fn the_search_takes_what_is_true() {
    for (file, truth) in TRUTH {
        match searched(file).0 {
            Outcome::Settled(settled) => {
                for answer in *truth {
                    let said = settled.said.iter().any(|s| s.contains(answer));
                    assert!(said, "{file}: `{answer}` is not in {:#?}", settled.said);
                }
            }
            Outcome::Nothing(why) => panic!("{file}: {why}"),
            Outcome::Undecided { why, .. } => panic!("{file}: {why}"),
        }
    }
}

/// Files that state all that matters, of kinds that had to be put together: towers that read the
/// towers before them, and gates without a softmax.
#[test]
fn files_that_leave_nothing_open_give_the_frameworks_outputs() {
    for file in [
        "mtreclib-aitm-0.pt",
        "keras-k3-packed-gact-linear.keras",
        "keras-k3-tf2-gact-linear.keras",
    ] {
        let place = Place::new();
        let base = format!("open-questions/{}", file.rsplit_once('.').unwrap().0);
        let at = |end: &str| fixture(&format!("{base}{end}")).display().to_string();
        let weights = fixture(&format!("open-questions/{file}"))
            .display()
            .to_string();
        let (tasks, golden) = (at(".tasks.toml"), at(".golden.npz"));
        let blob = place.at("m.mmoe");
        // The spec that describes it says as much.
        let spec = place.at("s.toml");
        ok(&format!(
            "convert {weights} --spec {tasks} -o {blob} --write-spec {spec}"
        ));
        ok(&format!("verify {blob} --golden {golden} --tolerance 1e-5"));
        let again = place.at("again.mmoe");
        ok(&format!("convert {weights} --spec {spec} -o {again}"));
        ok(&format!(
            "verify {again} --golden {golden} --tolerance 1e-5"
        ));
        // In integers too.
        let line = format!("--precision i8 --calibration {golden} -o {blob}");
        ok(&format!("convert {weights} --spec {tasks} {line}"));
        ok(&format!(
            "verify {blob} --golden {golden} --tolerance 2.5e-2"
        ));
    }
}

#[test]
fn a_truth_outside_the_space_is_refused_and_the_nearest_is_shown() {
    // Experts that end in a softmax over their units: no activation of one number.
    let Outcome::Nothing(why) = searched("rechub-mmoe-act-softmax.pt").0 else {
        panic!("something was taken");
    };
    for part in [
        "none gives the golden outputs",
        "hidden layers: relu, linear, tanh, sigmoid",
        "The nearest, with hidden layers: ",
        "` does not fit: ",
        "mmoe inspect WEIGHTS --write-spec",
    ] {
        assert!(why.contains(part), "no `{part}` in: {why}");
    }
    assert!(!why.contains("layout"), "{why}");
}

/// A model of one expert of one unit whose value is positive on the golden rows: `x1 + x2 + 0.5`
/// on rows whose features cancel each other out.
fn cancelling(place: &Place, far: f32) -> (String, String, String) {
    let names: [(&str, &[usize]); 6] = [
        ("experts.0.0.weight", &[1, 2]),
        ("experts.0.0.bias", &[1]),
        ("gates.0.weight", &[1, 2]),
        ("gates.0.bias", &[1]),
        ("towers.0.0.weight", &[1, 1]),
        ("towers.0.0.bias", &[1]),
    ];
    let weights = safetensors(&names, "F32", |name, _, _| {
        if name == "experts.0.0.bias" { 0.5 } else { 1.0 }
    });
    let mut x = Vec::new();
    let mut y = Vec::new();
    for i in 0..16_u8 {
        let a = (f32::from(i) / 15.0 - 0.5) * far;
        x.extend([a, -a]);
        y.push(1.5);
    }
    (
        place.write("w.safetensors", weights),
        place.write(
            "s.toml",
            "[[tasks]]\nname = \"y\"\nactivation = \"linear\"\n[gates]\nkind = \"softmax\"\n",
        ),
        place.write("g.npz", npz(&[("x", &[16, 2], x), ("y", &[16, 1], y)])),
    )
}

/// What a search may take is counted, so that it holds on any machine: on a large model whose truth
/// lies one answer away from what is assumed, a few hundred passes over three rows suffice, and most
/// combinations cost no pass at all.
#[test]
fn a_search_in_a_large_model_takes_few_evaluations() {
    const ROWS: u64 = 8;
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    for e in 0..8 {
        shapes.push((format!("experts.{e}.0.weight"), vec![350, 400]));
        shapes.push((format!("experts.{e}.0.bias"), vec![350]));
        shapes.push((format!("experts.{e}.2.weight"), vec![96, 350]));
        shapes.push((format!("experts.{e}.2.bias"), vec![96]));
    }
    for t in 0..2 {
        shapes.push((format!("gates.{t}.weight"), vec![8, 400]));
        shapes.push((format!("towers.{t}.0.weight"), vec![16, 96]));
        shapes.push((format!("towers.{t}.0.bias"), vec![16]));
        shapes.push((format!("towers.{t}.2.weight"), vec![1, 16]));
        shapes.push((format!("towers.{t}.2.bias"), vec![1]));
    }
    let numbers: usize = shapes
        .iter()
        .map(|(_, s)| s.iter().product::<usize>())
        .sum();
    assert!(numbers > 1_380_000, "{numbers}");
    let names: Vec<(&str, &[usize])> = shapes
        .iter()
        .map(|(n, s)| (n.as_str(), s.as_slice()))
        .collect();
    let place = Place::new();
    let file = safetensors(&names, "F32", |name, _, v| {
        v * if name.contains("towers") { 0.5 } else { 0.1 }
    });
    let weights = import::read(Path::new(&place.write("w.safetensors", file))).unwrap();
    let tasks = "[[tasks]]\nname = \"a\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
                 \"b\"\nactivation = \"sigmoid\"\n";
    let truth = "[experts]\nactivation = \"silu\"\nlast_activation = \"relu\"\n[towers]\n\
                 activation = \"relu\"\n[gates]\nkind = \"softmax\"\n";
    let spec = Spec::parse(&format!("{tasks}{truth}")).unwrap();
    let true_model = model::build(weights.clone(), Some(&spec), model::Options::default()).unwrap();
    let mut rng = testkit::Rng::new(3);
    let x: Vec<f32> = (0..ROWS * 400).map(|_| rng.normal()).collect();
    let mut y = [Vec::new(), Vec::new()];
    for row in x.chunks(400) {
        let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        let made = mmoe_tools::eval::evaluate(&true_model.graph, &row);
        for (y, task) in y.iter_mut().zip(made.tasks) {
            y.push(task[0] as f32);
        }
    }
    let [a, b] = y;
    let golden = npz(&[
        ("x", &[ROWS, 400], x),
        ("a", &[ROWS, 1], a),
        ("b", &[ROWS, 1], b),
    ]);
    let data = Data::read(Path::new(&place.write("g.npz", golden))).unwrap();
    let spec = Spec::parse(tasks).unwrap();
    let found = model::find(&weights, Some(&spec)).unwrap();
    let outcome = search(&found.plan, &found.habits, &weights, &data, |_, _| ());
    let Ok(Some(Outcome::Settled(settled))) = outcome else {
        panic!("not settled");
    };
    let said = settled.said.join("\n");
    for answer in ["experts: silu", "the experts: relu", "towers: relu"] {
        assert!(said.contains(answer), "{said}");
    }
    let spent = settled.spent;
    assert!(spent.tried < 1_000, "{spent:?}");
    // A row of the whole model is `numbers` multiplications.
    assert!(spent.work < 1_000 * numbers as u64, "{spent:?}");
}

#[test]
fn two_that_fit_are_not_decided_and_rows_that_would_tell_are_named() {
    let place = Place::new();
    let (weights, spec, golden) = cancelling(&place, 8.0);
    let blob = place.at("m.mmoe");
    let line = format!("convert {weights} --spec {spec} --golden {golden} -o {blob}");
    fails(
        &line,
        2,
        &[
            "more than one answer fits the golden rows",
            "the last layer of the experts: relu or linear",
            "x = np.random.default_rng(0).uniform(-4.000, 4.000, size=(64, 2))",
            "--accept-assumptions",
            "nothing was written",
        ],
    );
    assert!(!Path::new(&blob).exists());
    // Accepted, the likeliest is taken, and the blob says so.
    let done = run(&format!("{line} --accept-assumptions"));
    assert_eq!(done.code, 0, "{}", done.err);
    let text = ok(&format!("inspect {blob}"));
    let said = "the last layer of the experts: relu (linear fits the golden rows as well)";
    assert!(text.contains(said), "{text}");
}

#[test]
fn what_no_row_of_the_golden_range_can_tell_is_taken_and_said() {
    let place = Place::new();
    let (weights, spec, golden) = cancelling(&place, 0.2);
    let blob = place.at("m.mmoe");
    let text = ok(&format!(
        "convert {weights} --spec {spec} --golden {golden} -o {blob}"
    ));
    for part in [
        "decided    the last layer of the experts: relu",
        "note       the last layer of the experts: relu or linear: both fit the golden rows",
    ] {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn golden_numbers_that_are_not_finite_are_refused_by_name_and_row() {
    let file = "open-questions/plain-act-sigmoid";
    let original = Data::read(&fixture(&format!("{file}.golden.npz"))).unwrap();
    let array = |name: &str| original.array(name).unwrap().clone();
    let place = Place::new();
    for odd in [f32::NAN, f32::INFINITY] {
        for spoilt in ["x", "click", "dwell"] {
            let mut arrays = Vec::new();
            for name in ["x", "click", "dwell"] {
                let mut tensor = array(name);
                if name == spoilt {
                    let width = tensor.data.len() / tensor.shape[0];
                    tensor.data[7 * width] = odd;
                }
                arrays.push((name, tensor));
            }
            let shapes: Vec<Vec<u64>> = arrays
                .iter()
                .map(|(_, t)| t.shape.iter().map(|n| *n as u64).collect())
                .collect();
            let arrays: Vec<(&str, &[u64], Vec<f32>)> = arrays
                .iter()
                .zip(&shapes)
                .map(|((n, t), shape)| (*n, shape.as_slice(), t.data.clone()))
                .collect();
            let golden = place.write("g.npz", npz(&arrays));
            let blob = place.at("m.mmoe");
            fails(
                &format!(
                    "convert {} --spec {} --golden {golden} -o {blob} --accept-assumptions",
                    fixture(&format!("{file}.pt")).display(),
                    fixture(&format!("{file}.tasks.toml")).display(),
                ),
                2,
                &[&format!("`{spoilt}` holds {odd} in row 7"), "not finite"],
            );
            assert!(!Path::new(&blob).exists());
        }
    }
}

#[test]
fn the_spec_that_a_search_writes_says_all_that_it_found() {
    let place = Place::new();
    let at = |file: &str| {
        let path = fixture(&format!("open-questions/{file}"));
        path.display().to_string()
    };
    for (weights, base) in [
        ("plain-act-sigmoid.pt", "plain-act-sigmoid"),
        ("plain-gate-sigmoid.pt", "plain-gate-sigmoid"),
        ("plain-ln-after.pt", "plain-ln-after"),
        ("norms-scale.pt", "norms-scale"),
        ("fuxi-mmoe-act-tanh-bn1.model", "fuxi-mmoe-act-tanh-bn1"),
    ] {
        let (blob, spec) = (place.at("a.mmoe"), place.at("a.toml"));
        let weights = at(weights);
        ok(&format!(
            "convert {weights} --spec {} --golden {} --write-spec {spec} -o {blob}",
            at(&format!("{base}.tasks.toml")),
            at(&format!("{base}.golden.npz")),
        ));
        // The written spec alone gives the same blob, and leaves nothing to ask.
        let again = place.at("b.mmoe");
        ok(&format!("convert {weights} --spec {spec} -o {again}"));
        assert_eq!(
            std::fs::read(&blob).unwrap(),
            std::fs::read(&again).unwrap(),
            "{base}"
        );
    }
}

#[test]
fn towers_and_gates_that_differ_are_found_task_by_task() {
    let weights = import::read(&fixture("open-questions/plain-act-sigmoid.pt")).unwrap();
    let tasks = fixture("open-questions/plain-act-sigmoid.tasks.toml");
    let spec = Spec::parse(&std::fs::read_to_string(tasks).unwrap()).unwrap();
    let found = model::find(&weights, Some(&spec)).unwrap();
    // The same tensors in another model: no two parts of it do the same.
    let mut truth = model::find(&weights, Some(&spec)).unwrap();
    for question in truth.open() {
        let choice = match question.topic {
            Topic::Activation => Choice::Activation(ActivationPlan::Sigmoid),
            Topic::LastActivation => Choice::Activation(ActivationPlan::Linear),
            _ => question.assumed.clone().unwrap(),
        };
        question.apply(&mut truth.plan, &choice);
    }
    truth.plan.towers[0].layers[0].activation = ActivationPlan::Tanh;
    truth.plan.towers[1].layers[0].activation = ActivationPlan::LeakyRelu(0.2);
    truth.plan.levels[0].gates[1].kind = GateKindPlan::Sigmoid;
    let plan = truth.plan.clone();
    let made = model::make(
        truth,
        weights.clone(),
        Some(&spec),
        model::Options::default(),
    );
    let graph = made.unwrap().graph;
    let x = import::read(&fixture("open-questions/plain-act-sigmoid.golden.npz")).unwrap();
    let x = x.tensors["x"].data.clone();
    let mut outputs = [Vec::new(), Vec::new()];
    for row in x.chunks(graph.width(0)) {
        let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        let y = mmoe_tools::eval::evaluate(&graph, &row).tasks;
        for (all, y) in outputs.iter_mut().zip(y) {
            all.push(y[0] as f32);
        }
    }
    let rows = outputs[0].len() as u64;
    let [click, dwell] = outputs;
    let place = Place::new();
    let golden = place.write(
        "g.npz",
        npz(&[
            ("x", &[rows, graph.width(0) as u64], x),
            ("click", &[rows, 1], click),
            ("dwell", &[rows, 1], dwell),
        ]),
    );
    let data = Data::read(Path::new(&golden)).unwrap();
    let outcome = search(&found.plan, &found.habits, &weights, &data, |_, _| ()).unwrap();
    let Some(Outcome::Settled(settled)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(settled.plan, plan);
    for answer in [
        "hidden layers of the tower of `click`: tanh",
        "hidden layers of the tower of `dwell`: leaky_relu(0.2)",
        "logits of gate 1 become weights by: sigmoid",
    ] {
        let said = settled.said.iter().any(|s| s.contains(answer));
        assert!(said, "`{answer}` is not in {:#?}", settled.said);
    }
}
