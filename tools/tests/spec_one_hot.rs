//! One-hot columns of `[[fields]]`: what they make is what the columns of training made, and the blob
//! reads them by their codes.

use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::engine::Runner;
use mmoe_tools::front::Value;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::{Tensor, Weights};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;

/// A layer of two units on `width` columns, and their sum.
fn weights(width: usize) -> Weights {
    let mut weights = Weights::default();
    let bottom = (0..2 * width).map(|i| (i as f32 * 0.7).sin()).collect();
    for (name, shape, data) in [
        ("bottom", vec![2, width], bottom),
        ("tower", vec![1, 2], vec![1.0, -1.0]),
    ] {
        weights.tensors.insert(name.into(), Tensor { shape, data });
    }
    weights
}

fn spec(fields: &str) -> Spec {
    let text = format!(
        "name = \"m\"\nlayout = \"out_in\"\n{fields}\n\
         [experts]\ncount = 1\nlayers = [ {{ weight = \"bottom\", activation = \"relu\" }} ]\n\
         [towers]\nlayers = [ {{ weight = \"tower\" }} ]\n\
         [[tasks]]\nname = \"y\"\nactivation = \"linear\"\n"
    );
    Spec::parse(&text).unwrap_or_else(|e| panic!("{e}"))
}

fn graph(width: usize, fields: &str) -> Graph {
    let options = Conversion::new(Precision::F32).model_options();
    let made = build(weights(width), Some(&spec(fields)), options);
    made.unwrap_or_else(|e| panic!("{e}")).graph
}

fn error(width: usize, fields: &str) -> String {
    let made = build(weights(width), Some(&spec(fields)), Options::default());
    made.map(|_| ()).expect_err(fields).to_string()
}

/// What training computed of its columns.
fn trained(width: usize, columns: &[(usize, f32)]) -> f32 {
    let bottom = &weights(width).tensors["bottom"].data;
    let unit = |row: usize| {
        let sum: f32 = columns
            .iter()
            .map(|(c, x)| bottom[row * width + c] * x)
            .sum();
        sum.max(0.0)
    };
    unit(0) - unit(1)
}

/// Columns that are not 0.
type Columns = Vec<(usize, f32)>;

/// Runs records and holds them against the columns that training had.
fn check(width: usize, fields: &str, records: &[(Vec<Value>, Columns)]) {
    let graph = graph(width, fields);
    let blob = Conversion::new(Precision::F32).run(&graph).unwrap().bytes();
    let mut runner = Runner::load(&blob).unwrap();
    let kinds = runner.model.blob().layers.iter().map(|l| l.kind());
    let hot = Some(mmoe::blob::LayerKind::Hot);
    assert!(kinds.into_iter().any(|kind| kind == hot), "codes are read");
    for (record, columns) in records {
        let (y, _) = runner.predict_record(record).unwrap();
        let wanted = trained(width, columns);
        assert!(
            (y[0] - wanted).abs() < 1e-6,
            "{record:?}: {} is not {wanted}",
            y[0]
        );
        let vector = graph.front.as_ref().unwrap().vector(record).unwrap();
        let slow = mmoe_tools::eval::evaluate(&graph, &vector).tasks[0][0];
        assert!(
            (slow - f64::from(wanted)).abs() < 1e-6,
            "{record:?}: {slow}"
        );
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn tokens_ids_buckets_and_lists_are_columns() {
    // Column 0 is the age; 1 to 3 the country, 4 to 7 the hour, 8 to 10 the income, 11 to 15 the tags.
    let fields = r#"
[[fields]]
name = "age"
given = "f32"
[[fields]]
name = "country"
given = "text"
one_hot = true
vocabulary = ["US", "DE"]
other = 0
missing = "zero"
[[fields]]
name = "hour"
given = "id"
one_hot = true
count = 4
[[fields]]
name = "income"
given = "f32"
one_hot = true
buckets = [1.0, 2.0]
missing = 2
count = 3
[[fields]]
name = "tags"
given = ["text"]
max = 3
one_hot = true
vocabulary = ["a", "b", "c", "d"]
other = 4
"#;
    let tags = |tags: &[&str]| Value::Texts(tags.iter().map(|t| (*t).into()).collect());
    let record = |country: Value, hour, income: Value, list: &[&str]| {
        vec![
            Value::Number(0.5),
            country,
            Value::Id(hour),
            income,
            tags(list),
        ]
    };
    check(
        16,
        fields,
        &[
            (
                record(text("DE"), 3, Value::Number(1.0), &["c", "a"]),
                vec![(0, 0.5), (3, 1.0), (7, 1.0), (9, 1.0), (11, 1.0), (13, 1.0)],
            ),
            (
                record(text("us"), 4, Value::Number(0.5), &["d", "d", "x", "a"]),
                vec![(0, 0.5), (1, 1.0), (8, 1.0), (14, 1.0), (15, 1.0)],
            ),
            (
                record(Value::Missing, 0, Value::Missing, &[]),
                vec![(0, 0.5), (4, 1.0), (10, 1.0)],
            ),
        ],
    );
}

const FRAME: &str = r#"
[[fields]]
name = "country"
given = "text"
one_hot = true
[[fields]]
name = "age"
given = "f32"
mean = 1.0
std = 2.0
[[fields]]
name = "plan"
given = "id"
one_hot = true
columns = "tier=*"
"#;

/// `pandas.get_dummies`: the names of the columns say the order and the values.
#[test]
fn names_of_columns_are_the_vocabulary_and_the_order() {
    let names = r#"["tier=3", "tier=1", "age", "country_DE", "country_New York", "country_a_b"]"#;
    let fields = format!("{FRAME}[order]\ncolumns = {names}\n");
    let record = |plan, age, country| vec![Value::Id(plan), Value::Number(age), country];
    let records = [
        (
            record(1, 5.0, text("New York")),
            vec![(1, 1.0), (2, 2.0), (4, 1.0)],
        ),
        (record(3, 1.0, text("a_b")), vec![(0, 1.0), (5, 1.0)]),
        (record(2, 1.0, text("new york")), vec![]),
        (record(1, 3.0, Value::Missing), vec![(1, 1.0), (2, 1.0)]),
    ];
    // A record has the numbers first, and then what is read by a code.
    let records = records.map(|(record, columns)| {
        let [plan, age, country] = record.try_into().unwrap();
        (vec![age, plan, country], columns)
    });
    check(6, &fields, &records);
}

#[test]
fn mistakes_in_columns_are_named() {
    let order = |names: &str| format!("{FRAME}[order]\ncolumns = [{names}]\n");
    let good = "\"tier=3\", \"age\", \"country_DE\"";
    for (fields, says) in [
        (
            order(&format!("{good}, \"agee\", \"x\"")),
            "no field has the column `agee`, `x`",
        ),
        (order(&format!("{good}, \"agee\"")), "did you mean `age`"),
        (
            order(&format!("{good}, \"tier=4\"")),
            "columns of `plan` do not stand side by side",
        ),
        (
            order("\"tier=3\", \"age\""),
            "no column belongs to field `country`",
        ),
        (
            order("\"tier=x\", \"age\", \"country_DE\""),
            "`x` in its vocabulary is no id",
        ),
        (
            order(good).replace("name = \"age\"", "name = \"age\"\nembedding = \"bottom\""),
            "has an embedding",
        ),
        (
            format!("{FRAME}[order]\n"),
            "it has `vector` and `columns`, or neither",
        ),
        (
            order(good).replace(
                "given = \"text\"",
                "given = \"text\"\nvocabulary = [\"DE\"]",
            ),
            "`vocabulary` stands beside the names of columns",
        ),
    ] {
        let text = error(3, &fields);
        assert!(text.contains(says), "{says}: {text}");
        assert!(text.contains("spec line"), "{text}");
    }
    let hour = "[[fields]]\nname = \"hour\"\ngiven = \"id\"\none_hot = true\n";
    for (more, says) in [
        ("", "`count` is missing"),
        ("count = 3\npool = \"mean\"\n", "`pool` belongs to a list"),
        ("count = 3\nother = 3\n", "a column 3, and there are 3"),
        (
            "count = 3\nembedding = \"bottom\"\n",
            "`embedding` stands beside one-hot columns",
        ),
        (
            "count = 2\n",
            "the fields make 2 elements (hour 2), the first layers read 3",
        ),
    ] {
        let text = error(3, &format!("{hour}{more}"));
        assert!(text.contains(says), "{says}: {text}");
    }
    let named = hour.replace("true", "true\ncolumns = \"hour_*\"");
    assert!(error(3, &named).contains("`columns` without the names of the columns"));
    let number = "[[fields]]\nname = \"x\"\ngiven = \"f32\"\ncount = 3\n";
    assert!(error(3, number).contains("`count` belongs to one_hot = true"));
}

/// Names of a user's own: the tables are no layers, and the error says whose they are.
#[test]
fn tables_of_any_name_are_offered_as_fields() {
    let mut weights = Weights::default();
    for (name, shape) in [
        ("city_tbl.weight", vec![5, 4]),
        ("experts.0.0.weight", vec![3, 4]),
        ("experts.0.0.bias", vec![3]),
        ("experts.1.0.weight", vec![3, 4]),
        ("experts.1.0.bias", vec![3]),
        ("gates.0.weight", vec![2, 4]),
        ("gates.0.bias", vec![2]),
        ("towers.0.0.weight", vec![1, 3]),
        ("towers.0.0.bias", vec![1]),
    ] {
        let data = (0..shape.iter().product())
            .map(|i| (i as f32).cos())
            .collect();
        weights.tensors.insert(name.into(), Tensor { shape, data });
    }
    let tasks = "[[tasks]]\nname = \"y\"\nactivation = \"sigmoid\"\n";
    let spec = Spec::parse(tasks).unwrap();
    let error = build(weights.clone(), Some(&spec), Options::default());
    let error = error.map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("[[fields]] with embedding = \"city_tbl.weight\""),
        "{error}"
    );
    let draft = mmoe_tools::plan::spec::write::write_draft(&weights);
    assert!(
        draft.contains("# embedding = \"city_tbl.weight\"   # 5 rows of 4"),
        "{draft}"
    );
    assert!(!draft.contains("# embedding = \"gates"), "{draft}");
    let field = "[[fields]]\nname = \"city\"\ngiven = \"id\"\nembedding = \"city_tbl.weight\"\n";
    let spec = Spec::parse(&format!("{field}{tasks}")).unwrap();
    let made = build(weights, Some(&spec), Options::default()).unwrap();
    assert_eq!(made.graph.front.unwrap().width(), 4);
}
