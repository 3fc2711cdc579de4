//! One-hot columns as codes, from the spec to the blob: the engine on codes, the records read back and
//! the slow evaluations of the vector agree.

mod tool;

use mmoe::gate::SoftmaxGate;
use mmoe::precision::{Pairs, Panels, Precision as Of, Quad};
use mmoe::{Dense, Dynamic, F32, Head, Hot, I8, Logits, Mmoe, Multiclass, Seq, W8};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::read;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::eval::evaluate;
use mmoe_tools::fixed_point::{self, Shadow};
use mmoe_tools::graph::elements::{Elements, NO_CODE, NotOneHot};
use mmoe_tools::graph::rules::GraphError;
use mmoe_tools::graph::{Activation, GateKind, Graph, Input, Layer, Node, Op, Output};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use testkit::Rng;
use testkit::fixtures::read as fixture;
use testkit::graphs::{self as seeded, close};

/// Numbers and one-hot fields in any order, some of which may have two columns that are 1.
fn inputs(r: &mut Rng) -> Vec<Input> {
    let mut inputs = vec![Input::new("first", r.within(1, 4))];
    for n in 0..r.within(1, 5) {
        if r.one_in(3) {
            inputs.push(Input::new("more", r.within(1, 3)));
        }
        let mut field = Input::one_hot(&format!("field{n}"), r.within(3, 9));
        if r.one_in(4) {
            field.codes = Some(2);
        }
        inputs.push(field);
    }
    inputs
}

/// An MMoE whose first expert may read numbers alone.
fn random(r: &mut Rng) -> Graph {
    let inputs = inputs(r);
    let width: usize = inputs.iter().map(|i| i.count).sum();
    let mixed = r.within(1, 11);
    let experts = r.within(2, 4);
    let mut nodes: Vec<Node> = Vec::new();
    for n in 0..experts {
        let reads = if n == 0 && r.one_in(2) {
            inputs[0].count
        } else {
            width
        };
        let mut layers = vec![];
        let mut have = reads;
        if r.one_in(2) {
            let (next, act) = (r.within(1, 21), r.activation());
            layers.push(seeded::dense(r, have, next, act));
            have = next;
        }
        layers.push(seeded::dense(r, have, mixed, Activation::Relu));
        nodes.push(seeded::node(Op::Expert, 0, 0, reads, mixed, layers));
    }
    let all: Vec<usize> = (1..=experts).collect();
    for kind in [GateKind::Softmax, GateKind::Constant] {
        let mut gate = seeded::gate(r, kind, 0, width, all.clone(), mixed);
        if let Some(Layer::Constant { weights }) = gate.layers.first_mut() {
            weights.fill(1.0 / experts as f32);
        }
        nodes.push(gate);
    }
    nodes.push(seeded::tower(r, experts + 1, &[mixed, 1]));
    nodes.push(seeded::tower(r, experts + 2, &[mixed, 3]));
    // A tower of its own on the codes.
    nodes.push(seeded::tower(r, 0, &[width, 1]));
    let outputs = [
        Output::Sigmoid { value: experts + 3 },
        Output::Linear { value: experts + 4 },
        Output::Sigmoid { value: experts + 5 },
    ];
    let mut graph = seeded::graph(width, nodes, &outputs);
    graph.inputs = inputs;
    graph
}

/// Vectors that occur.
fn vectors(r: &mut Rng, graph: &Graph, count: usize) -> Vec<Vec<f32>> {
    let elements = graph.elements().unwrap();
    let one = |_| {
        let mut x = r.row(graph.width(0));
        elements.make_one_hot(&mut x, |n| r.below(n + 1));
        for field in elements.fields.iter().filter(|f| f.codes == 2) {
            x[field.columns.start + r.below(field.columns.len())] = 1.0;
        }
        x
    };
    (0..count).map(one).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn float_graphs_are_what_f64_says_of_the_vector() {
    for seed in 0..150 {
        let mut r = Rng::new(seed);
        let graph = random(&mut r);
        let elements = graph.elements().unwrap();
        for precision in [Precision::F32, Precision::W8] {
            let blob = seeded::blob(&graph, precision);
            let stored = read::graph(&blob).unwrap();
            let mut runner = Runner::load(&blob).unwrap();
            assert_eq!(runner.model.inputs(), elements.len());
            for x in vectors(&mut r, &graph, 8) {
                let row = elements.row(&x).unwrap();
                assert_eq!(elements.vector(&row), x);
                assert_eq!(runner.elements.as_ref().unwrap().row(&x).unwrap(), row);
                let (y, _) = runner.predict(&row).unwrap();
                let from_records = stored.elements().unwrap().vector(&row);
                let wanted = evaluate(&stored, &wide(&from_records)).tasks.concat();
                for (y, w) in y.iter().zip(wanted) {
                    close(&format!("graph {seed}, {precision:?}"), *y, w);
                }
                if precision == Precision::F32 {
                    let wanted = evaluate(&graph, &wide(&x)).tasks.concat();
                    for (y, w) in y.iter().zip(wanted) {
                        close(&format!("graph {seed}, of the graph"), *y, w);
                    }
                }
            }
        }
    }
}

#[test]
fn integer_graphs_are_what_the_rules_say_in_every_packing() {
    for seed in 0..30 {
        let mut r = Rng::new(500 + seed);
        let graph = random(&mut r);
        let rows = vectors(&mut r, &graph, 40);
        for packing in [Packing::Panels, Packing::Quad, Packing::Pairs] {
            let conversion = Conversion {
                packing,
                calibration: (!seed.is_multiple_of(5)).then(|| {
                    Rows {
                        data: rows.concat(),
                        width: graph.width(0),
                    }
                    .into()
                }),
                self_test: Some(2),
                keep_wide: (0..1 - seed % 2).map(|_| "expert1.0".into()).collect(),
                ..Conversion::new(Precision::I8)
            };
            let mut graph = graph.clone();
            for i in graph.inputs.iter_mut().filter(|i| i.codes.is_none()) {
                (i.min, i.max) = (Some(-3.0), Some(3.0));
            }
            let made = conversion.details(&graph).unwrap();
            let q = made.quantized.unwrap();
            assert!(q.one <= 14);
            let bits = q
                .report
                .iter()
                .find(|(name, _)| name == "expert1.0")
                .unwrap();
            assert!(bits.1.weight_bits == 16 || !seed.is_multiple_of(2));
            let blob = made.blob.bytes();
            let model = Dynamic::load(&blob).unwrap();
            model
                .self_test(&mut vec![0; model.self_test_words()])
                .unwrap();
            let elements = made.graph.elements().unwrap();
            let mut scratch = vec![0; model.scratch_words()];
            let mut shadow = Shadow::default();
            for x in &rows {
                let input = fixed_point::quantize_input(&q, x);
                let slow = fixed_point::evaluate(&made.graph, &q, &input, &mut shadow);
                let mut taken = vec![0; elements.len()];
                let _ = model.quantize(&elements.row(x).unwrap(), &mut taken);
                let mut raw = vec![0; model.outputs()];
                model.predict_q(&taken, &mut scratch, &mut raw).unwrap();
                assert_eq!(raw, slow.raw, "graph {seed}, {packing:?}");
            }
            assert!(!shadow.wrapped());
        }
    }
}

/// What is no code adds no column, in every precision.
#[test]
fn numbers_that_are_no_code_are_none() {
    let mut r = Rng::new(9);
    let graph = random(&mut r);
    let elements = graph.elements().unwrap();
    let rows = vectors(&mut r, &graph, 40);
    for precision in [Precision::F32, Precision::W8, Precision::I8] {
        let conversion = Conversion {
            calibration: Some(
                Rows {
                    data: rows.concat(),
                    width: graph.width(0),
                }
                .into(),
            ),
            ..Conversion::new(precision)
        };
        let blob = conversion.run(&graph).unwrap().bytes();
        let mut runner = Runner::load(&blob).unwrap();
        for x in &rows {
            let mut row = elements.row(x).unwrap();
            row[elements.numbers.len()..].fill(NO_CODE);
            let none = runner.predict(&row).unwrap().0.to_vec();
            let hot = elements.hot() as f32;
            for odd in [
                f32::NAN,
                f32::INFINITY,
                f32::NEG_INFINITY,
                -7.0,
                1e9,
                40000.0,
                hot,
            ] {
                row[elements.numbers.len()..].fill(odd);
                assert_eq!(
                    runner.predict(&row).unwrap().0,
                    none,
                    "{precision:?}, {odd}"
                );
            }
        }
    }
}

fn census() -> Graph {
    let mut spec = String::from("[[inputs]]\nname = \"number\"\ncount = 11\n");
    // The groups that the made-up rows of the fixture have.
    for n in 0..29 {
        let count = if n < 24 { 17 } else { 16 };
        spec += &format!("[[inputs]]\nname = \"field{n}\"\ncount = {count}\none_hot = true\n");
    }
    let spec = Spec::parse(&spec).unwrap();
    let weights = fixture("keras-mmoe-census/model_keras3.keras");
    build(weights, Some(&spec), Options::default())
        .unwrap()
        .graph
}

type Tower<P> = Multiclass<Seq<Dense<4, 8, P>, Head<8, 2, P>>>;
type Whole<P> = Mmoe<[Dense<499, 4, P>; 8], [mmoe::Gate<499, 8, P>; 2], [Tower<P>; 2]>;
type Codes<P> = Mmoe<
    [Hot<40, 11, Dense<499, 4, P>>; 8],
    [SoftmaxGate<Hot<40, 11, Logits<499, 8, P>>>; 2],
    [Tower<P>; 2],
>;

fn bits(y: [[f32; 2]; 2]) -> [u32; 4] {
    let [[a, b], [c, d]] = y;
    [a, b, c, d].map(f32::to_bits)
}

/// Typed on codes, erased on codes, ranked in two parts.
fn check<P: Of>(blob: &BlobBytes, mut wanted: impl FnMut(&[f32; 499]) -> [u32; 4]) {
    let model = Codes::<P>::load(blob).unwrap_or_else(|e| panic!("{e}"));
    let mut runner = Runner::load(blob).unwrap();
    let x = &fixture("keras-mmoe-census/golden.npz").tensors["x"].data;
    for x in x.as_chunks::<499>().0 {
        let row = runner.elements.as_ref().unwrap().row(x).unwrap();
        let row: &[f32; 40] = row.as_slice().try_into().unwrap();
        let y = bits(model.predict(row));
        assert_eq!(y, wanted(x));
        let (erased, _) = runner.predict(row).unwrap();
        assert_eq!(erased.iter().map(|y| y.to_bits()).collect::<Vec<_>>(), y);
        // The context is numbers and some codes, or some of the numbers.
        let (context, rest): (&[f32; 25], &[f32; 15]) =
            (row.first_chunk().unwrap(), row.last_chunk().unwrap());
        assert_eq!(bits(model.predict_in(&model.context(context), rest)), y);
        let (context, rest): (&[f32; 4], &[f32; 36]) =
            (row.first_chunk().unwrap(), row.last_chunk().unwrap());
        assert_eq!(bits(model.predict_in(&model.context(context), rest)), y);
        assert!(model.sparse().is_none(), "a code of 0 is no zero");
    }
}

#[test]
fn census_on_codes_is_census_on_columns() {
    let graph = census();
    let mut columns = graph.clone();
    columns.inputs = vec![Input::new("x", 499)];
    columns.feature_names.clear();
    let float = |graph: &Graph, precision| Conversion::new(precision).run(graph).unwrap().bytes();
    let whole = float(&columns, Precision::F32);
    let whole = Whole::<F32>::load(&whole).unwrap();
    check::<F32>(&float(&graph, Precision::F32), |x| bits(whole.predict(x)));
    let whole = float(&columns, Precision::W8);
    let whole = Whole::<W8>::load(&whole).unwrap();
    check::<W8>(&float(&graph, Precision::W8), |x| bits(whole.predict(x)));

    let x = &fixture("keras-mmoe-census/golden.npz").tensors["x"].data;
    let integer = |packing| {
        let conversion = Conversion {
            packing,
            calibration: Some(
                Rows {
                    data: x.clone(),
                    width: 499,
                }
                .into(),
            ),
            max_loss: Some(1.0),
            ..Conversion::new(Precision::I8)
        };
        conversion.details(&graph).unwrap()
    };
    let made = integer(Packing::Panels);
    let q = made.quantized.as_ref().unwrap();
    let slow = |x: &[f32; 499]| {
        let x = fixed_point::quantize_input(q, x);
        let y = fixed_point::evaluate(&graph, q, &x, &mut Shadow::default()).shown;
        [y[0], y[1], y[2], y[3]].map(f32::to_bits)
    };
    let blob = made.blob.bytes();
    check::<I8<Panels>>(&blob, slow);
    check::<I8<Quad>>(&integer(Packing::Quad).blob.bytes(), slow);
    check::<I8<Pairs>>(&integer(Packing::Pairs).blob.bytes(), slow);
    assert!(blob.len() < 26_300, "{}", blob.len());
    const { assert!(Codes::<I8>::SCRATCH <= 230) };
    let typed = mmoe_tools::rust_type::typed(Runner::load(&blob).unwrap().model.blob()).unwrap();
    assert_eq!(typed.scratch, Codes::<I8>::SCRATCH);
    // An interpreter that knows no codes: the outputs of the framework, in the golden rows' old form.
    let golden = fixture("keras-mmoe-census/golden.npz");
    let float = float(&graph, Precision::F32);
    let mut runner = Runner::load(&float).unwrap();
    let wanted = golden.tensors["income"].data.as_chunks::<2>().0;
    for (x, wanted) in golden.tensors["x"]
        .data
        .as_chunks::<499>()
        .0
        .iter()
        .zip(wanted)
    {
        let row = runner.elements.as_ref().unwrap().row(x).unwrap();
        let (y, _) = runner.predict(&row).unwrap();
        assert!((y[0] - wanted[0]).abs() < 1e-6 && (y[1] - wanted[1]).abs() < 1e-6);
    }
}

#[test]
fn the_section_is_what_it_was_made_of() {
    for seed in 0..100 {
        let graph = random(&mut Rng::new(seed));
        let elements = graph.elements().unwrap();
        let names: Vec<String> = (0..graph.width(0)).map(|n| format!("x{n}")).collect();
        let names = elements.names(&names);
        assert_eq!(names.len(), elements.len());
        let read = Elements::of_section(&elements.section(), &names).unwrap();
        assert_eq!(read.numbers, elements.numbers);
        for (read, own) in read.fields.iter().zip(&elements.fields) {
            assert_eq!(
                (&read.columns, read.first, read.codes),
                (&own.columns, own.first, own.codes)
            );
        }
    }
    assert_eq!(Elements::of_section(&[1, 200], &[]), None);
    assert_eq!(Elements::of_section(&[], &[]), None);
}

#[test]
fn rows_that_are_not_one_hot_are_named() {
    let elements = Elements::of([("a", 1, None), ("b", 3, Some(1)), ("c", 2, Some(1))].into_iter());
    let elements = elements.unwrap();
    assert_eq!(
        elements.row(&[0.5, 0.0, 1.0, 0.0, 0.0, 1.0]),
        Ok(vec![0.5, 1.0, 4.0])
    );
    assert_eq!(
        elements.row(&[0.5, 0.0, 0.0, 0.0, 1.0, 0.0]),
        Ok(vec![0.5, NO_CODE, 3.0])
    );
    assert_eq!(
        elements.row(&[0.5, 0.0, 0.25, 0.0, 1.0, 0.0]),
        Err(NotOneHot::Value {
            field: "b".into(),
            column: 2,
            value: 0.25
        })
    );
    assert_eq!(
        elements.row(&[0.5, 1.0, 0.0, 1.0, 1.0, 0.0]),
        Err(NotOneHot::Many {
            field: "b".into(),
            found: 2,
            codes: 1
        })
    );
    assert!(matches!(
        elements.row(&[0.5, f32::NAN, 0.0, 0.0, 1.0, 0.0]),
        Err(NotOneHot::Value { column: 1, .. })
    ));
}

#[test]
fn what_cannot_read_codes_is_refused() {
    let mut r = Rng::new(3);
    let fields = vec![
        Input::new("x", 2),
        Input::one_hot("a", 3),
        Input::one_hot("b", 4),
    ];
    let with = |node: Node, inputs: &[Input]| {
        let nodes = vec![node, seeded::tower(&mut Rng::new(1), 1, &[4, 1])];
        let mut graph = seeded::graph(9, nodes, &[Output::Linear { value: 2 }]);
        graph.inputs = inputs.to_vec();
        graph.check()
    };
    let reads = |r: &mut Rng, start, inputs| {
        let layers = vec![seeded::dense(r, inputs, 4, Activation::Relu)];
        seeded::node(Op::Expert, 0, start, inputs, 4, layers)
    };
    // All, numbers alone, the last number and all codes, the codes of the first field.
    for (start, inputs) in [(0, 9), (0, 2), (1, 8), (2, 7), (2, 3), (1, 1)] {
        with(reads(&mut r, start, inputs), &fields).unwrap();
    }
    for (start, inputs) in [(0, 4), (5, 4), (0, 8), (3, 6)] {
        let e = with(reads(&mut r, start, inputs), &fields);
        assert!(
            matches!(e, Err(GraphError::OneHot { .. })),
            "{start}, {inputs}: {e:?}"
        );
    }
    let layers = vec![
        seeded::affine(&mut r, 9),
        seeded::dense(&mut r, 9, 4, Activation::Relu),
    ];
    let e = with(seeded::node(Op::Expert, 0, 0, 9, 4, layers), &fields);
    assert!(matches!(e, Err(GraphError::OneHot { .. })), "{e:?}");
    let whole = reads(&mut r, 0, 9);
    for change in [
        |i: &mut Input| i.min = Some(0.0),
        |i: &mut Input| i.std = Some(1.0),
        |i: &mut Input| i.codes = Some(0),
        |i: &mut Input| i.codes = Some(3),
    ] {
        let mut inputs = fields.clone();
        change(&mut inputs[1]);
        assert!(matches!(
            with(whole.clone(), &inputs),
            Err(GraphError::Input { .. })
        ));
    }
}

/// The golden rows of census as CSV with the names that pandas' `get_dummies` would give.
fn named_csv(place: &tool::Place) -> String {
    let mut names: Vec<String> = (0..11).map(|n| format!("number {n}")).collect();
    for field in 0..29 {
        let values = if field < 24 { 17 } else { 16 };
        names.extend((0..values).map(|v| format!("field_{field}_value {v}")));
    }
    let mut text = names.join(",") + "\n";
    let x = &fixture("keras-mmoe-census/golden.npz").tensors["x"].data;
    for row in x.chunks(499) {
        let cells: Vec<String> = row.iter().map(|v| format!("{v}")).collect();
        text += &(cells.join(",") + "\n");
    }
    place.write("rows.csv", text)
}

/// Runs the tool, which may note that a header was not checked; gives what it printed.
fn fine(line: &str) -> String {
    let done = tool::run(line);
    let noted = done.err.is_empty() || done.err.starts_with("note: the model has no names");
    assert!(done.code == 0 && noted, "{line}\n{}{}", done.out, done.err);
    done.out
}

#[test]
fn one_hot_columns_are_found_by_names_and_rows() {
    let place = tool::Place::new();
    let (rows, golden) = (
        named_csv(&place),
        tool::fixture("keras-mmoe-census/golden.npz"),
    );
    let weights = tool::fixture("keras-mmoe-census/model_keras3.keras");
    let (codes, columns) = (place.at("codes.mmoe"), place.at("columns.mmoe"));
    let convert =
        format!("convert {weights} --precision i8 --calibration {rows} --golden {golden}");
    let said = fine(&format!("{convert} --core m4f -o {codes}"));
    assert!(
        said.contains("488 one-hot columns of `field_0` (17)"),
        "{said}"
    );
    let inputs = |blob: &str| {
        let blob = BlobBytes::read(blob.as_ref()).unwrap();
        let model = Dynamic::load(&blob).unwrap();
        let packed = |l: &mmoe::blob::LayerRecord| l.packing != 0;
        (model.inputs(), model.blob().layers.iter().any(packed))
    };
    assert_eq!(inputs(&codes), (40, false), "panels serve codes best");
    let said = fine(&format!("{convert} --core m4f --keep-columns -o {columns}"));
    assert!(!said.contains("one-hot"), "{said}");
    assert_eq!(inputs(&columns), (499, true));
    // The old rows, and rows of codes, are data for it.
    fine(&format!(
        "verify {codes} --golden {golden} --tolerance 0.05"
    ));
    let shown = fine(&format!("run {codes} --data {rows}"));
    let blob = BlobBytes::read(codes.as_ref()).unwrap();
    let runner = Runner::load(&blob).unwrap();
    let elements = runner.elements.clone().unwrap();
    let x = &fixture("keras-mmoe-census/golden.npz").tensors["x"].data;
    let rows: Vec<f32> = x
        .chunks(499)
        .flat_map(|x| elements.row(x).unwrap())
        .collect();
    let coded = place.write("codes.npz", tool::npz(&[("x", &[64, 40], rows.clone())]));
    assert_eq!(fine(&format!("run {codes} --data {coded}")), shown);
    // A blob like one on columns is on columns.
    let like = format!(
        "convert {weights} --like {columns} --calibration {}",
        place.at("rows.csv")
    );
    fine(&format!("{like} -o {}", place.at("like.mmoe")));
    assert_eq!(inputs(&place.at("like.mmoe")).0, 499);
    let mut wrong = x.clone();
    wrong[2 * 499 + 11] = 1.0;
    wrong[2 * 499 + 12] = 1.0;
    let wrong = place.write("wrong.npz", tool::npz(&[("x", &[64, 499], wrong)]));
    tool::fails(
        &format!("run {codes} --data {wrong}"),
        2,
        &["row 2", "field 0", "at most 1"],
    );
}
