//! Exported graphs that no framework wrote: what is refused, by which words, and damaged ones.

mod tool;

use mmoe_tools::import;
use mmoe_tools::model::{self, Options};
use testkit::Rng;
use tool::fixture;

/// One field of a protobuf message.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn varint(mut v: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while v > 0x7f {
        bytes.push(v as u8 | 0x80);
        v >>= 7;
    }
    bytes.push(v as u8);
    bytes
}

fn number(tag: u8, v: i64) -> Vec<u8> {
    [vec![tag << 3], varint(v as u64)].concat()
}

/// An ONNX model in the making.
#[derive(Default)]
struct Onnx {
    graph: Vec<u8>,
    nodes: usize,
}

impl Onnx {
    /// An operation with whole numbers as attributes; gives back its output.
    fn node(&mut self, kind: &str, inputs: &[&str], attributes: &[(&str, &[i64])]) -> String {
        let output = format!("v{}", self.nodes);
        let mut node: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
        node.extend(field(2, output.as_bytes()));
        node.extend(field(3, format!("/{kind}_{}", self.nodes).as_bytes()));
        node.extend(field(4, kind.as_bytes()));
        for (name, values) in attributes {
            let mut attribute = field(1, name.as_bytes());
            match values {
                [one] if *name != "axes" => attribute.extend(number(3, *one)),
                many => attribute.extend(many.iter().flat_map(|v| number(8, *v))),
            }
            node.extend(field(5, &attribute));
        }
        self.graph.extend(field(1, &node));
        self.nodes += 1;
        output
    }

    fn weights(&mut self, name: &str, shape: &[usize], rng: &mut Rng) {
        let mut tensor: Vec<u8> = shape.iter().flat_map(|s| number(1, *s as i64)).collect();
        tensor.extend(number(2, 1));
        tensor.extend(field(8, name.as_bytes()));
        let data = rng.reals(shape.iter().product());
        tensor.extend(field(
            9,
            &data
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<_>>(),
        ));
        self.graph.extend(field(5, &tensor));
    }

    /// A dense layer with weights of its own.
    fn dense(&mut self, x: &str, inputs: usize, outputs: usize, rng: &mut Rng) -> String {
        let (weight, bias) = (format!("w{}", self.nodes), format!("b{}", self.nodes));
        self.weights(&weight, &[inputs, outputs], rng);
        self.weights(&bias, &[outputs], rng);
        self.node("Gemm", &[x, &weight, &bias], &[])
    }

    /// An open batch of so many features.
    fn finish(mut self, features: i64, outputs: &[&str]) -> Vec<u8> {
        let port = |name: &str, dims: &[u8]| {
            let shape = field(2, dims);
            let tensor = field(1, &[number(1, 1), shape].concat());
            [field(1, name.as_bytes()), field(2, &tensor)].concat()
        };
        let batch = field(1, &field(2, b"batch"));
        let dims = [batch, field(1, &number(1, features))].concat();
        self.graph.extend(field(11, &port("x", &dims)));
        for output in outputs {
            self.graph.extend(field(12, &port(output, &[])));
        }
        let opset = field(8, &number(2, 17));
        [number(1, 8), field(7, &self.graph), opset].concat()
    }
}

/// Two experts of 3 features, mixed by a softmax along `axis`, and a tower.
fn mixture(axis: i64) -> (Onnx, String) {
    let (mut onnx, mut rng) = (Onnx::default(), Rng::new(3));
    let experts: Vec<String> = (0..2)
        .map(|_| {
            let hidden = onnx.dense("x", 3, 4, &mut rng);
            let expert = onnx.node("Relu", &[&hidden], &[]);
            onnx.node("Unsqueeze", &[&expert], &[("axes", &[1])])
        })
        .collect();
    let stack = onnx.node("Concat", &[&experts[0], &experts[1]], &[("axis", &[1])]);
    let logits = onnx.dense("x", 3, 2, &mut rng);
    let gate = onnx.node("Softmax", &[&logits], &[("axis", &[axis])]);
    let gate = onnx.node("Unsqueeze", &[&gate], &[("axes", &[1])]);
    let mixed = onnx.node("MatMul", &[&gate, &stack], &[]);
    let mixed = onnx.node("Squeeze", &[&mixed], &[("axes", &[1])]);
    let z = onnx.dense(&mixed, 4, 1, &mut rng);
    let y = onnx.node("Sigmoid", &[&z], &[]);
    (onnx, y)
}

/// Why a graph does not become a model.
fn refusal(bytes: Vec<u8>) -> String {
    let weights = import::read_bytes(bytes).unwrap();
    model::build(weights, None, Options::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn what_a_made_graph_computes_becomes_a_model() {
    let (onnx, y) = mixture(-1);
    let weights = import::read_bytes(onnx.finish(3, &[&y])).unwrap();
    let made = model::build(weights, None, Options::default()).unwrap();
    assert_eq!(made.graph.nodes.len(), 4);
    assert_eq!(made.graph.tasks[0].name, y);
}

/// A layer that reads what another made beside what that one read: the sum of two layers, which is a
/// mixture of weights 1.
#[test]
fn what_stands_side_by_side_is_added_up() {
    let mut rng = Rng::new(8);
    let mut onnx = Onnx::default();
    let hidden = onnx.dense("x", 4, 5, &mut rng);
    let hidden = onnx.node("Relu", &[&hidden], &[]);
    let joined = onnx.node("Concat", &[&hidden, "x"], &[("axis", &[1])]);
    let y = onnx.dense(&joined, 9, 3, &mut rng);
    let y = onnx.node("Relu", &[&y], &[]);
    let y = onnx.dense(&y, 3, 1, &mut rng);
    let weights = import::read_bytes(onnx.finish(4, &[&y])).unwrap();
    let made = model::build(weights, None, Options::default()).unwrap();
    // Two experts, a gate that adds them, a tower.
    assert_eq!(made.graph.nodes.len(), 4, "{:?}", made.graph);
}

#[test]
fn a_softmax_over_the_batch_is_refused_by_name() {
    let (onnx, y) = mixture(0);
    let why = refusal(onnx.finish(3, &[&y]));
    assert!(why.contains("Softmax `/Softmax_8`"), "{why}");
    assert!(why.contains("mixes the rows of a batch"), "{why}");
}

#[test]
fn other_computations_are_refused_by_the_names_of_their_nodes() {
    let mut rng = Rng::new(4);
    let mut check = |says: &[&str], make: &dyn Fn(&mut Onnx, &mut Rng) -> String| {
        let mut onnx = Onnx::default();
        let y = make(&mut onnx, &mut rng);
        let why = refusal(onnx.finish(4, &[&y]));
        for word in says {
            assert!(why.contains(word), "`{word}` is missing from: {why}");
        }
    };
    let run = |onnx: &mut Onnx, first: i64, behind: i64| {
        let mut list = |name: &str, v: i64| {
            let tensor = [
                number(1, 1),
                number(2, 7),
                number(7, v),
                field(8, name.as_bytes()),
            ]
            .concat();
            onnx.graph.extend(field(5, &tensor));
        };
        let names = [
            format!("from{first}"),
            format!("to{first}"),
            format!("axis{first}"),
        ];
        for (name, v) in names.iter().zip([first, behind, 1]) {
            list(name, v);
        }
        onnx.node("Slice", &["x", &names[0], &names[1], &names[2]], &[])
    };
    check(
        &[
            "Mul `/Mul_2`",
            "[2, 2]",
            "multiplies two values of the input",
        ],
        &|onnx, rng| {
            let (a, b) = (run(onnx, 0, 2), run(onnx, 2, 4));
            let product = onnx.node("Mul", &[&a, &b], &[]);
            onnx.dense(&product, 2, 1, rng)
        },
    );
    check(&["Sin `/Sin_0`", "does not know"], &|onnx, rng| {
        let y = onnx.node("Sin", &["x"], &[]);
        onnx.dense(&y, 4, 1, rng)
    });
    check(&["Abs `/Abs_0`", "no activation"], &|onnx, rng| {
        let y = onnx.node("Abs", &["x"], &[]);
        onnx.dense(&y, 4, 1, rng)
    });
    check(
        &["ReduceMean `/ReduceMean_1`", "mixes the rows"],
        &|onnx, rng| {
            let y = onnx.dense("x", 4, 2, rng);
            onnx.node("ReduceMean", &[&y], &[("axes", &[0])])
        },
    );
    check(
        &["output `v1`", "does not depend on the input"],
        &|onnx, rng| {
            let z = onnx.dense("x", 4, 1, rng);
            onnx.node("Softmax", &[&z], &[("axis", &[-1])])
        },
    );
}

/// Damages a file: bytes that are changed, taken out, doubled.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(bytes.len());
        match rng.below(5) {
            0 => bytes[at] = rng.bits() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => bytes[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0xff]),
            3 => drop(bytes.drain(at..(at + 1 + rng.below(8)).min(bytes.len()))),
            _ => {
                let piece = bytes[at..(at + 1 + rng.below(8)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
        if bytes.is_empty() {
            return;
        }
    }
}

/// Reads mutated files, and makes models of those that can be read, or of each of `every` where that
/// takes long; gives back how many were refused, by the reader and by recognition.
fn mutations(bytes: &[u8], count: usize, every: usize, seed: u64) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let (mut unread, mut refused) = (0, 0);
    for i in 0..count {
        let mut mutant = bytes.to_vec();
        mutate(&mut mutant, &mut rng);
        match import::read_bytes(mutant) {
            Err(_) => unread += 1,
            Ok(_) if i % every != 0 => {}
            Ok(weights) => {
                refused += usize::from(model::build(weights, None, Options::default()).is_err());
            }
        }
    }
    (unread, refused)
}

#[test]
fn mutated_onnx_files_never_panic() {
    let (onnx, y) = mixture(-1);
    let (unread, refused) = mutations(&onnx.finish(3, &[&y]), many(20_000), 1, 5);
    assert!(unread > 1000 && refused > 1000, "{unread} {refused}");
    // Encoders and the texts that they know.
    for name in ["fields-label-texts-ml2", "fields-sklearn-one-hot"] {
        let path = fixture(&format!("graphs-exported/{name}/model.onnx"));
        let bytes = std::fs::read(path).unwrap();
        let (unread, refused) = mutations(&bytes, many(600), 1, 8);
        assert!(unread > 20 && refused > 5, "{name}: {unread} {refused}");
    }
}

#[test]
fn mutated_tflite_files_never_panic() {
    let path = fixture("graphs/ex09-tflite-float/model.tflite");
    let bytes = std::fs::read(path).unwrap();
    let (unread, refused) = mutations(&bytes, many(20_000), 10, 6);
    assert!(unread > 500 && refused > 50, "{unread} {refused}");
    let path = fixture("graphs-exported/fields-tf-tables-tflite/model.tflite");
    let bytes = std::fs::read(path).unwrap();
    let (unread, refused) = mutations(&bytes, many(2_000), 10, 9);
    assert!(unread > 50 && refused > 5, "{unread} {refused}");
}

#[test]
fn mutated_saved_models_never_panic() {
    for (graph, count) in [
        ("graphs-exported/tf1-mmoe-reference", 20_000),
        // TensorFlow 2 writes ten times as much, which takes ten times as long to read.
        ("graphs/ex12-sm-packed", 600),
        ("graphs-exported/fields-tf-tables-saved-model", 200),
    ] {
        mutate_folder(&fixture(&format!("{graph}/saved_model")), many(count));
    }
}

/// How many mutants of each file; `MUTATIONS=20000` makes as many of every one.
fn many(usual: usize) -> usize {
    std::env::var("MUTATIONS").map_or(usual, |n| n.parse().unwrap())
}

/// Damages the files of a SavedModel in turn.
fn mutate_folder(folder: &str, count: usize) {
    const FILES: [&str; 3] = [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ];
    let from = std::path::PathBuf::from(folder);
    let whole = FILES.map(|f| std::fs::read(from.join(f)).unwrap());
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("variables")).unwrap();
    for (file, bytes) in FILES.iter().zip(&whole) {
        std::fs::write(place.path().join(file), bytes).unwrap();
    }
    let mut rng = Rng::new(7);
    let (mut unread, mut refused) = (0, 0);
    for i in 0..count {
        let chosen = rng.pick(&[0, 0, 1]);
        let mut mutant = whole[chosen].clone();
        mutate(&mut mutant, &mut rng);
        std::fs::write(place.path().join(FILES[chosen]), mutant).unwrap();
        match import::read(place.path()) {
            Err(_) => unread += 1,
            Ok(_) if i % 40 != 0 => {}
            Ok(weights) => {
                refused += usize::from(model::build(weights, None, Options::default()).is_err());
            }
        }
        std::fs::write(place.path().join(FILES[chosen]), &whole[chosen]).unwrap();
    }
    assert!(unread > 50, "{unread} {refused}");
}
