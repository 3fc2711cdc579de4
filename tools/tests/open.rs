//! What trained files leave open, in files that frameworks and users wrote: each is read to the
//! framework's own outputs once its questions are answered, and asks before.

use indexmap::IndexMap;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Graph, Output};
use mmoe_tools::import::{Tensor, Weights};
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::open::{Choice, NormChoice, Part, Question, Topic};
use mmoe_tools::plan::recognise::recognise;
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::plan::spec::write::{write_draft, write_spec};
use testkit::fixtures::{made, read};

const CLICK_LIKE: &str = "[[tasks]]\nname = \"click\"\nactivation = \
                          \"sigmoid\"\n[[tasks]]\nname = \"like\"\nactivation = \"sigmoid\"\n";
const CLICK_DWELL: &str = "[[tasks]]\nname = \"click\"\nactivation = \
                           \"sigmoid\"\n[[tasks]]\nname = \"dwell\"\nactivation = \"linear\"\n";
const TWO: &str = "[[tasks]]\nname = \"t0\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
                   \"t1\"\nactivation = \"sigmoid\"\n";
const OWN: &str = "[experts]\nactivation = \"relu\"\nlast_activation = \"relu\"\n[towers]\nactivation \
                   = \"relu\"\n[gates]\nkind = \"softmax\"\n";

fn file(name: &str) -> (Weights, IndexMap<String, Tensor>) {
    let stem = name.split('.').next().unwrap();
    (
        read(&format!("doubts/{name}")),
        read(&format!("doubts/{stem}.golden.npz")).tensors,
    )
}

fn try_build(weights: &Weights, spec: &str) -> Result<Recognised, String> {
    let spec = Spec::parse(spec).unwrap_or_else(|e| panic!("{e}\n{spec}"));
    build(weights.clone(), Some(&spec), Options::default()).map_err(|e| e.to_string())
}

/// The worst difference of an output from the framework's; factors of products may be missing from
/// the rows.
fn worst(graph: &Graph, golden: &IndexMap<String, Tensor>) -> f64 {
    let x = &golden["x"];
    let mut worst = 0f64;
    let product = |t: &mmoe_tools::graph::Task| matches!(t.output, Output::Product { .. });
    let products = graph.tasks.iter().any(product);
    for (row, features) in x.data.chunks_exact(x.shape[1]).enumerate() {
        let features: Vec<f64> = features.iter().map(|v| f64::from(*v)).collect();
        for (got, task) in evaluate(graph, &features).tasks.iter().zip(&graph.tasks) {
            let Some(wanted) = golden.get(&task.name) else {
                assert!(products, "no rows of `{}`", task.name);
                continue;
            };
            for (a, b) in got
                .iter()
                .zip(wanted.data.chunks_exact(got.len()).nth(row).unwrap())
            {
                worst = worst.max((a - f64::from(*b)).abs() / f64::from(*b).abs().max(1.0));
            }
        }
    }
    worst
}

fn topics(open: &[Question]) -> Vec<Topic> {
    open.iter().map(|q| q.topic).collect()
}

/// Asks about these before the words, and about nothing behind them; then the outputs are the
/// framework's, and so are those of the spec that is written.
fn answered(name: &str, tasks: &str, asks: &[Topic], words: &str) {
    let (weights, golden) = file(name);
    let blind = try_build(&weights, tasks).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(topics(&blind.open), asks, "{name}");
    let made =
        try_build(&weights, &format!("{words}{tasks}")).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(topics(&made.open), [], "{name}");
    let off = worst(&made.graph, &golden);
    assert!(off < 1e-5, "{name}: {off}");
    let again = try_build(&weights, &write_spec(&weights, &made)).unwrap_or_else(|e| {
        panic!("{name}: {e}\n{}", write_spec(&weights, &made));
    });
    assert_eq!(again.graph, made.graph, "{name}");
}

use Topic::{
    Activation, Before, Epsilon, Front, GateKind, LastActivation, NormKind, Order, Residual,
};

#[test]
fn member_numbers_tell_where_functions_stand() {
    let asks = [Activation, Activation, LastActivation, Epsilon, GateKind];
    let epsilon = format!("[defaults]\nepsilon = 1e-5\n{OWN}");
    answered("norm-behind-relu.pt", CLICK_LIKE, &asks, &epsilon);
    let slopes = [Activation, LastActivation, Epsilon, GateKind];
    let words = epsilon.replacen("activation = \"relu\"\n", "", 1);
    answered("norm-behind-prelu.pt", CLICK_LIKE, &slopes, &words);
    let plain = [Activation, Activation, LastActivation, GateKind];
    answered("low-rank.pt", CLICK_LIKE, &plain, OWN);
}

#[test]
fn an_expert_s_last_function_is_a_question_of_its_own() {
    let words = OWN.replace(
        "last_activation = \"relu\"",
        "last_activation = \"linear\"\nnorm = \"none\"",
    );
    let asks = [Activation, Activation, LastActivation, NormKind, GateKind];
    answered("linear-ends.pt", CLICK_LIKE, &asks, &words);
}

#[test]
fn a_vector_alone_may_be_a_norm_or_a_slope() {
    let words = format!(
        "[defaults]\nepsilon = 1e-5\n{}",
        OWN.replace("[experts]\n", "[experts]\nnorm = \"layer_norm\"\n")
    );
    let asks = [
        Activation,
        Activation,
        LastActivation,
        NormKind,
        Epsilon,
        GateKind,
    ];
    answered("layer-norm-without-bias.pt", CLICK_LIKE, &asks, &words);
    for (name, kind) in [("rms-norm.pt", "rms_norm"), ("group-norm.pt", "group_norm")] {
        let (weights, golden) = file(name);
        let blind = try_build(&weights, CLICK_LIKE).unwrap();
        assert_eq!(topics(&blind.open), asks, "{name}");
        assert!(
            worst(&blind.graph, &golden) > 1e-3,
            "{name}: the first guess is right"
        );
        let question = blind.open.iter().find(|q| q.topic == NormKind).unwrap();
        let offered = question.others.iter().any(|c| match c {
            Choice::Norm(NormChoice::Rms) => kind == "rms_norm",
            Choice::Norm(NormChoice::Group(2)) => kind == "group_norm",
            _ => false,
        });
        assert!(offered, "{name}: {question:?}");
        // Applied, the choice is what the spec's words say.
        let mut plan = blind.plan.clone();
        let choice = if kind == "rms_norm" {
            NormChoice::Rms
        } else {
            NormChoice::Group(2)
        };
        question.apply(&mut plan, &Choice::Norm(choice));
        let applied = plan.levels[0].experts[0].layers[0].clone();
        assert!(
            !applied.open.norm && applied.norm_choice() == Some(choice),
            "{applied:?}"
        );
    }
}

#[test]
fn users_names_are_recognised() {
    let plain = [Activation, Activation, LastActivation, GateKind];
    answered("module-dict.pt", CLICK_LIKE, &plain, OWN);
    answered("fc-names.pt", CLICK_LIKE, &plain, OWN);
    let words = "[experts]\nlast_activation = \"relu\"\n[gates]\nkind = \"softmax\"\n";
    answered(
        "packed-experts.pt",
        CLICK_DWELL,
        &[LastActivation, GateKind],
        words,
    );
    let words = format!("{words}[towers]\nactivation = \"relu\"\nresidual = false\n");
    let asks = [Activation, LastActivation, GateKind, Residual];
    answered("numbered-attributes.pt", CLICK_DWELL, &asks, &words);
}

#[test]
fn frameworks_classes_are_recognised() {
    let relu = "[defaults]\nactivation = \"relu\"\n";
    let linear = TWO.replacen(
        "\"t1\"\nactivation = \"sigmoid\"",
        "\"t1\"\nactivation = \"linear\"",
        1,
    );
    answered("torcheasyrec-ple.pt", TWO, &[Activation], relu);
    answered(
        "torch-rechub-ple-shared-only.pt",
        &linear,
        &[Activation],
        relu,
    );
    let esmm = |cvr: &str| {
        format!(
            "[[tasks]]\nname = \"ctr\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
             \"{cvr}\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \"ctcvr\"\nactivation = \
             \"product\"\nof = [\"ctr\", \"{cvr}\"]\n"
        )
    };
    answered("deepctr-torch-esmm.pt", &esmm("cvr"), &[Activation], relu);
    let words = "[experts]\nactivation = \"relu\"\nlast_activation = \"relu\"\n[towers]\nactivation = \
                 \"relu\"\n";
    let asks = [Activation, Activation, LastActivation];
    answered("libmtl-hps.pt", CLICK_DWELL, &asks, words);
    answered("deepctr-norms.h5", &linear, &[Activation], relu);
    // A configuration says the functions.
    answered("deepctr-esmm.h5", &esmm("cvr_"), &[], "");
    let both = TWO.replace("t0", "ctr").replace("t1", "ctcvr");
    answered("deepctr-mmoe.keras", &both, &[], "");
    answered("deepctr-weights.h5", &both, &[Activation], relu);
}

#[test]
fn keras_configurations_are_followed() {
    answered("keras-functional.keras", CLICK_DWELL, &[], "");
    answered("keras-sequential-towers.keras", CLICK_LIKE, &[], "");
    answered("keras-product.keras", "name = \"product\"\n", &[], "");
    let given = "[experts]\nlast_activation = \"relu\"\n[gates]\nkind = \"softmax\"\n";
    let open = [LastActivation, GateKind];
    answered("keras-unnamed.keras", CLICK_LIKE, &open, given);
    answered("keras-unnamed-embeddings.keras", CLICK_LIKE, &open, given);
    for name in ["keras-normalization.keras", "keras-rescaling.keras"] {
        answered(name, CLICK_LIKE, &[Front], "[defaults]\nrows = \"raw\"\n");
    }
}

#[test]
fn keras_weights_alone_are_shared_out_and_ask() {
    let given = "[experts]\nlast_activation = \"relu\"\n[gates]\nkind = \"softmax\"\n[towers]\nactivation \
                 = \"relu\"\n";
    // Square layers allow several readings: it asks for one, and for what is open in it.
    let (weights, golden) = file("keras-stem-weights.weights.h5");
    let blind = try_build(&weights, CLICK_LIKE).unwrap();
    assert!(worst(&blind.graph, &golden) > 1e-3);
    let before = blind.open.iter().find(|q| q.topic == Before).unwrap();
    assert_eq!(before.others.len(), 2, "{before:?}");
    let wiring = "[defaults]\nbefore = 2\nrows = \"raw\"\n";
    let stem = try_build(&weights, &format!("{CLICK_LIKE}{wiring}")).unwrap();
    assert!(
        stem.open.iter().any(|q| q.part == Part::Stem),
        "{:?}",
        stem.open
    );
    let functions = "[stem]\nactivation = \"relu\"\nlast_activation = \"relu\"\n";
    answered(
        "keras-stem-weights.weights.h5",
        CLICK_LIKE,
        &[Before, Activation, LastActivation, GateKind],
        &format!("{wiring}{functions}{given}"),
    );
    let error = try_build(&weights, &format!("{CLICK_LIKE}[defaults]\nbefore = 3\n"));
    assert!(error.unwrap_err().contains("they allow 0 or 2 or 4"));
    let norms = "after_activation = false\nepsilon = 1e-3\n";
    let asks = [Activation, LastActivation, Order, Epsilon, GateKind];
    answered(
        "keras-tower-norms.h5",
        CLICK_DWELL,
        &asks,
        &format!("{given}{norms}"),
    );
    let deep = given.replacen("[experts]\n", "[experts]\nactivation = \"relu\"\n", 1);
    let asks = [Activation, Activation, LastActivation, GateKind];
    answered("keras-functional-weights.h5", CLICK_DWELL, &asks, &deep);
    // No mixture: two shared layers and two heads are not taken for one.
    let weights = read("doubts/keras-shared-bottom-weights.weights.h5");
    let error = try_build(&weights, CLICK_LIKE).unwrap_err();
    assert!(error.contains("--write-spec"), "{error}");
}

#[test]
fn what_cannot_be_read_right_is_refused_by_name() {
    for (name, says) in [
        (
            "wide-part.pt",
            "tensors that take part in no computation: `wide",
        ),
        ("keras-quantized.keras", "quantize"),
        (
            "keras-rms-scaling.keras",
            "a LayerNormalization with rms_scaling is not supported",
        ),
    ] {
        let weights =
            mmoe_tools::import::read(&testkit::fixtures::fixture(&format!("doubts/{name}")));
        let error = match weights {
            Ok(weights) => try_build(&weights, CLICK_LIKE).unwrap_err(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(says), "{name}: {error}");
    }
    // Said to be ignored, the part is left out.
    let (weights, _) = file("wide-part.pt");
    let made = try_build(&weights, &format!("ignore = [\"wide*\"]\n{CLICK_LIKE}")).unwrap();
    assert!(
        made.dropped
            .iter()
            .any(|d| d.contains("the spec says `ignore`")),
        "{:?}",
        made.dropped
    );
}

#[test]
fn a_file_that_nothing_recognises_gets_a_draft_that_converts_once_answered() {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    let mut linear = |name: &str, inputs: usize, outputs: usize| {
        shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("{name}.bias"), vec![outputs]));
    };
    for net in ["alpha", "beta", "gamma"] {
        linear(&format!("bottom_nets.{net}.0"), 6, 8);
        linear(&format!("bottom_nets.{net}.2"), 8, 4);
    }
    for task in ["clicked", "bought"] {
        linear(&format!("mixer.{task}"), 6, 3);
        linear(&format!("finals.{task}.0"), 4, 5);
        linear(&format!("finals.{task}.2"), 5, 1);
    }
    shapes.push(("odd.scale".into(), vec![7]));
    let shapes: Vec<(&str, &[usize])> = shapes
        .iter()
        .map(|(n, s)| (n.as_str(), s.as_slice()))
        .collect();
    let weights = made(&shapes);
    assert!(recognise(&weights).is_err());
    let draft = write_draft(&weights);
    for part in [
        "# Taken: experts by their widths: `bottom_nets.alpha`, `bottom_nets.beta`, \
         `bottom_nets.gamma`",
        "activation = \"?\"",
        "#   \"odd.*\",",
    ] {
        assert!(draft.contains(part), "no `{part}` in\n{draft}");
    }
    let kinds = draft.replace("activation = \"?\"", "activation = \"sigmoid\"");
    let error = try_build(&weights, &kinds).unwrap_err();
    assert!(error.contains("`odd.scale` [7]"), "{error}");
    let placed = kinds
        .replace("# ignore", "ignore")
        .replace("#   \"odd", "  \"odd")
        .replace("# ]", "]");
    let made = try_build(&weights, &placed).unwrap_or_else(|e| panic!("{e}\n{placed}"));
    assert_eq!(
        topics(&made.open),
        [Activation, Activation, LastActivation, GateKind]
    );
    let words = "[defaults]\nactivation = \"relu\"\nlast_activation = \"linear\"\n";
    let at = placed.find("\n[[").unwrap() + 1;
    let answered =
        format!("{}{words}{}", &placed[..at], &placed[at..]).replace("open = [\"kind\"]\n", "");
    let made = try_build(&weights, &answered).unwrap_or_else(|e| panic!("{e}\n{answered}"));
    assert_eq!(topics(&made.open), []);
}

#[test]
fn a_spec_that_contradicts_the_file_is_a_question() {
    let (weights, _) = file("keras-functional.keras");
    let spec = CLICK_DWELL.replacen("\"sigmoid\"", "\"linear\"", 1);
    let made = try_build(&weights, &spec).unwrap();
    assert_eq!(
        made.open.iter().map(Question::text).collect::<Vec<_>>(),
        ["an output is made by: linear (the spec says so of `click`, and the file says sigmoid)"]
    );
}
