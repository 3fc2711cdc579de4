//! Numbers that are none: a model that computes them passes no check, whatever it is compared with.

mod tool;

use mmoe_tools::blob::file::seal;
use mmoe_tools::convert::{Conversion, ConvertError, Precision};
use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::graph::{Graph, Layer, Op};
use mmoe_tools::readback::{self, CheckError};
use mmoe_tools::{import, model, plan::spec::Spec, self_test};
use tool::{Place, fails, fixture, npz, ok};

/// `pytorch-edge`.
fn edge() -> Graph {
    let weights = import::read(fixture("pytorch-edge/model.safetensors").as_ref()).unwrap();
    let spec = std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap();
    let spec = Spec::parse(&spec).unwrap();
    let options = Conversion::new(Precision::F32).model_options();
    model::build(weights, Some(&spec), options).unwrap().graph
}

/// `pytorch-edge` with a regression whose hidden units are all 1,000, so that the sum of its last layer
/// leaves the numbers of f32 whatever the features are: to 10⁴¹, or back to 0.
fn overflowing(back: bool) -> Graph {
    let mut graph = edge();
    let tower = graph.nodes.iter_mut().rfind(|n| n.op == Op::Tower).unwrap();
    let [Layer::Dense(hidden), Layer::Dense(last)] = tower.layers.as_mut_slice() else {
        panic!("{:?}", tower.layers);
    };
    hidden.weight.fill(0.0);
    hidden.bias.fill(1e3);
    let signs = (0..last.weight.len()).map(|i| if back && i % 2 == 1 { -1.0 } else { 1.0 });
    last.weight = signs.map(|sign| sign * f32::MAX).collect();
    graph
}

/// A blob whose weights all are NaN, which no conversion makes, with a right checksum.
fn broken(self_test: Option<u8>) -> Vec<u8> {
    let conversion = Conversion {
        self_test,
        ..Conversion::new(Precision::F32)
    };
    let made = conversion.run(&edge()).unwrap();
    let mut blob = made.bytes().to_vec();
    let first = blob.len() - made.weights.len();
    for word in blob[first..].as_chunks_mut::<4>().0 {
        *word = f32::NAN.to_le_bytes();
    }
    seal(&mut blob);
    blob
}

/// The same, with what it computes stored as the first output of its self-test: NaN, bit for bit. A
/// device refuses it all the same.
fn broken_with_its_own_rows() -> Vec<u8> {
    let mut blob = broken(Some(2));
    let (at, computed) = first_failure(&blob, |expected, found| expected != found);
    blob[at..at + 4].copy_from_slice(&computed.to_le_bytes());
    seal(&mut blob);
    assert_eq!(
        first_failure(&blob, |expected, found| expected == found).0,
        at
    );
    blob
}

/// Where a blob's self-test stores the output that fails first, and what is computed there.
fn first_failure(blob: &[u8], is_expected: impl Fn(u32, u32) -> bool) -> (usize, u32) {
    let bytes = BlobBytes::new(blob);
    let model = Runner::load(&bytes).unwrap().model;
    let failure = model.self_test(&mut vec![0; model.self_test_words()]);
    let Err(mmoe::SelfTestError::Row {
        row,
        output,
        expected,
        found,
    }) = failure
    else {
        panic!("{failure:?}")
    };
    assert!(is_expected(expected, found), "{expected:x}, {found:x}");
    let rows = model.blob().self_test().unwrap();
    let stored = rows.map(|r| r.outputs).nth(row as usize).unwrap();
    let at = stored.as_ptr() as usize - bytes.as_ptr() as usize + 4 * output as usize;
    (at, found)
}

#[test]
fn a_blob_of_nan_passes_no_check() {
    let place = Place::new();
    let blob = place.write("nan.mmoe", broken_with_its_own_rows());
    fails(
        &format!("verify {blob}"),
        1,
        &["self-test row 0, output 0: NaN is stored"],
    );
    // Rows of the model that it was: the outputs differ from those.
    let other = place.write("other.mmoe", broken(Some(2)));
    fails(
        &format!("verify {other}"),
        1,
        &["self-test row 0, output 0"],
    );

    // Golden rows, whether they hold what the framework computed or NaN as well.
    let bare = place.write("bare.mmoe", broken(None));
    let golden = fixture("pytorch-edge/golden.npz");
    fails(
        &format!("verify {bare} --golden {golden} --tolerance 1e30"),
        1,
        &["`y0`", "`y1`", "`y2`"],
    );
    let nan = |name| (name, &[2][..], vec![f32::NAN; 2]);
    let x: (&str, &[u64], _) = ("x", &[2, 64], vec![0.5; 128]);
    let same = place.write("same.npz", npz(&[x, nan("y0"), nan("y1"), nan("y2")]));
    fails(
        &format!("verify {bare} --golden {same}"),
        1,
        &["`y0`", "`y1`", "`y2`"],
    );

    // Two of them against each other, and a good one against it.
    let rows = fixture("pytorch-edge/test_set.npz");
    let good = place.edge("f32");
    for line in [
        bare.clone(),
        format!("{bare} {bare}"),
        format!("{good} --reference {bare}"),
    ] {
        fails(
            &format!("eval {line} --data {rows}"),
            1,
            &["bare.mmoe: the outputs of 2,000 rows", "NaN or infinite"],
        );
    }
    ok(&format!("eval {good} --data {rows}"));
}

#[test]
fn readback_does_not_pass_what_it_cannot_compare() {
    let none = |_, _| {};
    let graph = edge();
    let good = Conversion::new(Precision::F32).run(&graph).unwrap().bytes();
    let checked = readback::float(&good, &graph.inputs, none).unwrap();
    assert_eq!(checked.unbounded, 0);

    // Engine and evaluation agree that there is no number.
    let nan = BlobBytes::new(&broken(None));
    let error = readback::float(&nan, &graph.inputs, none).unwrap_err();
    assert!(
        matches!(error, CheckError::NotFinite { value, .. } if value.is_nan()),
        "{error}"
    );

    // The engine has no number, and the evaluation in f64 has.
    let of = |graph: &Graph| {
        let blob = Conversion::new(Precision::F32).run(graph).unwrap().bytes();
        readback::float(&blob, &graph.inputs, none).unwrap_err()
    };
    let error = of(&overflowing(true));
    assert!(
        matches!(error, CheckError::NotFinite { output: 2, value, .. } if !value.is_finite()),
        "{error}"
    );
    // The number is one that f32 has not: nothing is wrong, and nothing was compared.
    let error = of(&overflowing(false));
    assert!(
        matches!(&error, CheckError::NeverCompared { task, output: 0 } if task == "y2"),
        "{error}"
    );
}

#[test]
fn no_row_without_numbers_is_stored() {
    let conversion = Conversion {
        self_test: Some(2),
        ..Conversion::new(Precision::F32)
    };
    let error = conversion.run(&overflowing(false)).unwrap_err();
    assert!(matches!(error, ConvertError::NoRow), "{error}");

    let good = conversion.run(&edge()).unwrap().bytes();
    let runner = Runner::load(&good).unwrap();
    assert_eq!(self_test::check(&runner.model), Ok(2));
}
