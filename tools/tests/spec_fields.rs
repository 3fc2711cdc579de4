//! Every mistake in `[[fields]]` is an error that names the field, the line and what to write; and what
//! they say becomes the front end.

use std::path::Path;

use mmoe_tools::front::{By, Front, Item, Makes, NONE, Value};
use mmoe_tools::import::{Tensor, Weights};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;

/// A model of one layer on a vector of `width` elements, and tables beside it. Row r of a table holds
/// r, r + 0.5, and so on.
fn weights(width: usize, tables: &[(&str, usize, usize)]) -> Weights {
    let mut weights = Weights::default();
    let mut add = |name: &str, shape: Vec<usize>, data: Vec<f32>| {
        weights.tensors.insert(name.into(), Tensor { shape, data });
    };
    add(
        "bottom",
        vec![2, width],
        (0..2 * width).map(|i| i as f32).collect(),
    );
    add("tower", vec![1, 2], vec![1.0, 1.0]);
    for (name, rows, columns) in tables {
        let cell = |i: usize| (i / columns) as f32 + (i % columns) as f32 / 2.0;
        let data = (0..rows * columns).map(cell).collect();
        add(name, vec![*rows, *columns], data);
    }
    weights
}

const MODEL: &str = r#"
[experts]
count = 1
layers = [ { weight = "bottom", activation = "relu" } ]
[towers]
layers = [ { weight = "tower" } ]
[[tasks]]
name = "y"
activation = "linear"
"#;

fn front(weights: &Weights, fields: &str, dir: &Path) -> Result<Front, String> {
    let text = format!("name = \"m\"\nlayout = \"out_in\"\n{fields}{MODEL}");
    let spec = Spec::parse_in(&text, dir).map_err(|e| e.to_string())?;
    let made =
        build(weights.clone(), Some(&spec), Options::default()).map_err(|e| e.to_string())?;
    Ok(made.graph.front.unwrap())
}

fn error(weights: &Weights, fields: &str) -> String {
    front(weights, fields, Path::new("")).expect_err(fields)
}

const COUNTRY: &str = r#"[[fields]]
name = "country"
given = "text"
vocabulary = ["DE", "FR"]
other = "zero"
embedding = "table"
"#;

const HISTORY: &str = r#"[[fields]]
name = "history"
given = ["id"]
max = 3
pool = "mean"
embedding = "table"
"#;

const INCOME: &str = r#"[[fields]]
name = "income"
given = "f32"
"#;

/// Replaces a line of a field that reads a table of these rows, and wants all of `says` in the error.
fn cases(field: &str, rows: usize, cases: &[(&str, &str, &[&str])]) {
    let weights = weights(2, &[("table", rows, 2)]);
    let mut wrong = Vec::new();
    for (from, to, says) in cases {
        assert!(field.contains(from), "{from}");
        let text = error(&weights, &field.replacen(from, to, 1));
        for part in *says {
            if !text.contains(part) {
                wrong.push(format!("`{from}` → `{to}`: no `{part}` in: {text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn texts_and_their_vocabularies() {
    cases(
        COUNTRY,
        2,
        &[
            (
                "vocabulary = [\"DE\", \"FR\"]\n",
                "",
                &["field `country` (spec line 3)", "`vocabulary` is missing"],
            ),
            (
                "\"FR\"",
                "\"DE\"",
                &["token `DE` stands twice", "leave one out"],
            ),
            (
                "\"FR\"",
                "\"FR\", \"A\"",
                &[
                    "3 values",
                    "2 rows in `table`",
                    "the vocabulary that the model was trained with",
                ],
            ),
            (
                ", \"FR\"",
                "",
                &["1 values", "is row 0 padding", "missing = 0"],
            ),
            (
                "other = \"zero\"\n",
                "",
                &["`other` is missing", "other = \"zero\""],
            ),
            (
                "other = \"zero\"",
                "other = \"error\"",
                &["a device has nobody to ask"],
            ),
            ("other = \"zero\"", "other = 9", &["row 9", "which has 2"]),
            (
                "[\"DE\", \"FR\"]",
                "\"no.json\"",
                &["no.json", "by its path"],
            ),
            ("[\"DE\", \"FR\"]", "[]", &["its vocabulary is empty"]),
            (
                "embedding = \"table\"",
                "embedding = \"tabel\"",
                &["no tensor `tabel`", "`table`"],
            ),
            ("embedding = \"table\"\n", "", &["`embedding` is missing"]),
            (
                "given = \"text\"",
                "given = \"txt\"",
                &["given = \"txt\"", "\"text\""],
            ),
            (
                "given = \"text\"",
                "given = \"f32\"",
                &["a vocabulary of numbers", "buckets"],
            ),
            (
                "given = \"text\"",
                "given = \"id\"",
                &["`DE` in its vocabulary is no id"],
            ),
            (
                "given = \"text\"",
                "given = [\"text\"]",
                &["`max` is missing"],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\nmax = 3",
                &["`max` belongs to a list"],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\nmean = 3.0",
                &["`mean` belongs to a number"],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\nmatch = \"fuzzy\"",
                &["match = \"fuzzy\"", "\"exact\""],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\nbuckets = [1.0]",
                &["`vocabulary` stands beside `buckets`"],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\npart = \"item\"",
                &["part = \"item\"", "\"candidate\""],
            ),
            (
                "given = \"text\"",
                "given = \"text\"\nvocab = 1",
                &["line 6", "unknown field `vocab`"],
            ),
        ],
    );
}

#[test]
fn lists_ids_and_hashes() {
    cases(
        HISTORY,
        5,
        &[
            (
                "max = 3\n",
                "",
                &[
                    "field `history` (spec line 3)",
                    "`max` is missing",
                    "max = 20",
                ],
            ),
            ("max = 3", "max = 300", &["1 to 255"]),
            (
                "max = 3",
                "max = 3\nkeep = \"newest\"",
                &["keep = \"newest\"", "\"last\""],
            ),
            (
                "pool = \"mean\"\n",
                "",
                &["`pool` is missing", "no file says it"],
            ),
            (
                "pool = \"mean\"",
                "pool = \"average\"",
                &["pool = \"average\"", "\"mean\""],
            ),
            (
                "pool = \"mean\"",
                "pool = \"max\"",
                &["`empty` is missing", "empty = \"zero\""],
            ),
            (
                "pool = \"mean\"",
                "pool = \"concat\"",
                &["make 6 elements (history 6)", "read 2"],
            ),
            ("[\"id\"]", "[\"f32\"]", &["a list of f32"]),
            (
                "max = 3",
                "max = 3\nrows = { start = 3, count = 4 }",
                &["rows 3 to 7", "which has 5"],
            ),
        ],
    );
    let hashed = "[[fields]]\nname = \"h\"\ngiven = \"text\"\nhash = { kind = \"farm64\", buckets = 5 }\nembedding = \"table\"\n";
    cases(
        hashed,
        5,
        &[
            (
                "given = \"text\"",
                "given = \"f32\"",
                &["a float is about to be hashed", "bucketize it"],
            ),
            ("farm64", "md5", &["hash kind = \"md5\"", "\"sip24\""]),
            ("farm64", "sip24", &["sip24 without a key"]),
            (
                "buckets = 5",
                "buckets = 4",
                &["4 values", "5 rows", "is row 0 padding"],
            ),
            ("buckets = 5", "buckets = 0", &["into no bucket"]),
        ],
    );
}

#[test]
fn numbers_and_their_bounds() {
    let weights = weights(1, &[]);
    for (more, says) in [
        ("transform = \"sqrt\"", "transform = \"sqrt\""),
        ("transform = \"log10\"", "`threshold and below` is missing"),
        ("threshold = 1.0", "belong to a logarithm"),
        ("clip = [2.0, 1.0]", "the first is the lower"),
        ("missing = \"zero\"", "`missing` is no number"),
        ("std = 0.0", "std"),
        ("buckets = [1.0]", "nothing says what becomes of it"),
        ("one_hot = true\nmean = 1.0", "`mean` belongs to a number"),
    ] {
        let text = error(&weights, &format!("{INCOME}{more}\n"));
        assert!(text.contains(says), "{more}: {text}");
    }
    let whole = INCOME.replace("f32", "i32");
    let text = error(&weights, &format!("{whole}transform = \"log1p\"\n"));
    assert!(text.contains("given = \"f32\""), "{text}");
    let bounds = "[[fields]]\nname = \"age\"\ngiven = \"f32\"\nbuckets = [1.0, 2.0]\nembedding = \"table\"\n";
    cases(
        bounds,
        3,
        &[
            ("[1.0, 2.0]", "[2.0, 1.0]", &["its bounds do not ascend"]),
            ("[1.0, 2.0]", "[1.0, 2.0, 3.0]", &["4 values", "3 rows"]),
            ("f32", "text", &["buckets of what is given as text"]),
        ],
    );
}

#[test]
fn the_record_as_a_whole() {
    let weights = weights(3, &[("table", 2, 2)]);
    let both = format!("{COUNTRY}{INCOME}");
    assert!(front(&weights, &both, Path::new("")).is_ok());
    for (fields, says) in [
        (
            COUNTRY.to_owned(),
            "the fields make 2 elements (country 2), the first layers read 3",
        ),
        (
            format!("{COUNTRY}{COUNTRY}"),
            "two fields are called `country`",
        ),
        (
            format!("{both}[order]\nvector = [\"income\"]\n"),
            "field `country` is not in `vector`",
        ),
        (
            format!("{both}[order]\nvector = [\"incme\", \"country\"]\n"),
            "did you mean `income`?",
        ),
        (
            format!("{both}[order]\nvector = [\"income\", \"income\"]\n"),
            "`income` stands twice",
        ),
        (
            format!("{both}[[inputs]]\nname = \"x\"\ncount = 3\n"),
            "stands beside [[inputs]]",
        ),
        (
            "[order]\nvector = [\"x\"]\n".to_owned(),
            "it orders fields, and there are none",
        ),
    ] {
        let text = error(&weights, &fields);
        assert!(text.contains(says), "{fields}: {text}");
    }
}

#[test]
fn tokens_fill_the_rows_that_no_special_value_has() {
    let weights = weights(2, &[("table", 4, 2)]);
    let fields = COUNTRY.replace("other = \"zero\"", "missing = 0\nother = 2");
    let front = front(&weights, &fields, Path::new("")).unwrap();
    let row = |value: Value| front.vector(&[value]).unwrap()[0];
    // DE is row 1, FR row 3: row 0 is the missing value's, row 2 that of unknown ones.
    assert_eq!(row(Value::Text("DE".into())), 1.0);
    assert_eq!(row(Value::Text("FR".into())), 3.0);
    assert_eq!(row(Value::Missing), 0.0);
    assert_eq!(row(Value::Text("fr".into())), 2.0);
    assert_eq!(front.tables[0].rows.len(), 8);
}

#[test]
fn vocabularies_come_from_every_kind_of_file() {
    let dir = tempfile::tempdir().unwrap();
    let weights = weights(2, &[("table", 5, 2)]);
    for (name, text, rows) in [
        (
            "list.json",
            "[\"DE\", \"FR\", \" a\", \"b\", \"c\"]",
            [0.0, 1.0, 2.0],
        ),
        (
            "map.json",
            "{\"DE\": 4, \"FR\": 0, \" a\": 3}",
            [4.0, 0.0, 3.0],
        ),
        (
            "map.csv",
            "token,index\nDE,4\nFR,0\n\" a\",3\n",
            [4.0, 0.0, 3.0],
        ),
        ("list.txt", "DE\nFR\n a\nb\nc\n", [0.0, 1.0, 2.0]),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
        let fields = COUNTRY.replace("[\"DE\", \"FR\"]", &format!("\"{name}\""));
        let front = front(&weights, &fields, dir.path()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = ["DE", "FR", " a"].map(|t| {
            let vector = front.vector(&[Value::Text(t.into())]).unwrap();
            vector[0]
        });
        assert_eq!(found, rows, "{name}");
        let coder = &front.tables[0].coder;
        assert!(
            !coder.knows(Item::Text("a")),
            "{name}: tokens are not trimmed"
        );
        assert!(matches!(
            coder.by,
            By::Tokens {
                exact: true,
                other: NONE,
                ..
            }
        ));
    }
    for (name, text, says) in [
        (
            "bad.json",
            "{\"DE\": \"x\"}",
            "token `DE` has \"x\" for a row",
        ),
        ("far.json", "{\"DE\": 9}", "row 9 of `table`, which has 5"),
        ("bad.csv", "word,index\nDE,4\n", "is not token,index"),
        ("bad.xml", "<a/>", "its ending says nothing"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
        let fields = COUNTRY.replace("[\"DE\", \"FR\"]", &format!("\"{name}\""));
        let text = front(&weights, &fields, dir.path()).unwrap_err();
        assert!(text.contains(says), "{name}: {text}");
    }
}

#[test]
fn the_candidates_fields_and_their_columns_come_last() {
    let weights = weights(4, &[("table", 3, 2)]);
    let item = "[[fields]]\nname = \"item\"\ngiven = \"id\"\nembedding = \"table\"\npart = \"candidate\"\n";
    let fields = format!("{INCOME}{item}[[fields]]\nname = \"age\"\ngiven = \"f32\"\n");
    let text = format!("name = \"m\"\nlayout = \"out_in\"\n{fields}{MODEL}");
    let spec = Spec::parse(&text).unwrap();
    let graph = build(weights.clone(), Some(&spec), Options::default())
        .unwrap()
        .graph;
    let front = graph.front.as_ref().unwrap();
    let names: Vec<&str> = front.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["income", "age", "item"]);
    assert!(matches!(front.features[2].makes, Makes::Rows { .. }));
    // The columns of training were income, item, item, age: 0, 1, 2, 3 in the first row.
    let record = [Value::Number(1.0), Value::Number(10.0), Value::Id(2)];
    let made = mmoe_tools::eval::evaluate(&graph, &front.vector(&record).unwrap());
    let first = 0.0 + 3.0 * 10.0 + 1.0 * 2.0 + 2.0 * 2.5;
    let second = 4.0 + 7.0 * 10.0 + 5.0 * 2.0 + 6.0 * 2.5;
    assert_eq!(made.tasks, [[first + second]]);
}

#[test]
fn an_enum_has_no_tokens_on_the_device() {
    let weights = weights(2, &[("table", 3, 2)]);
    let fields = COUNTRY.replace("other = \"zero\"", "other = 0\nmatch = \"enum\"");
    let front = front(&weights, &fields, Path::new("")).unwrap();
    let row = |text: &str| front.vector(&[Value::Text(text.into())]).unwrap()[0];
    assert_eq!(["DE", "FR", "A"].map(row), [1.0, 2.0, 0.0]);
    for (tokens, says) in [
        ("[\"DE\", \"2nd\"]", "`2nd` is no name of a variant"),
        ("[\"a_b\", \"aB\"]", "two values are called `AB`"),
    ] {
        let text = error(&weights, &fields.replace("[\"DE\", \"FR\"]", tokens));
        assert!(
            text.contains(says) && text.contains("match = \"exact\""),
            "{text}"
        );
    }
}
