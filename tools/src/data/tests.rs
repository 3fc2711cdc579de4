//! Rows as people have them.

use super::Data;
use crate::front::{Coder, Feature, Field, Front, Given, List, Makes, Number, Pool, Table, Value};
use std::path::Path;

fn csv(text: &str) -> Data {
    Data::from_bytes(Path::new("d.csv"), text.as_bytes().to_vec()).unwrap()
}

fn names(n: &[&str]) -> Vec<String> {
    n.iter().map(|s| (*s).to_owned()).collect()
}

#[test]
fn a_header_puts_columns_in_the_models_order() {
    let d = csv("b,y,a\n1,0,2\n3,1,-4.5\n");
    let rows = d.features(2, &names(&["a", "b"]), &names(&["y"])).unwrap();
    assert_eq!(rows.data, [2.0, 1.0, -4.5, 3.0]);
    assert_eq!(rows.len(), 2);
    assert_eq!(d.labels("y", 2, 1).unwrap(), [0.0, 1.0]);
}

#[test]
fn columns_without_names_keep_their_order() {
    assert_eq!(
        csv("1,2\n3,NaN\n").features(2, &[], &[]).unwrap().data[..3],
        [1.0, 2.0, 3.0]
    );
    assert_eq!(
        csv("p,y,q\n1,9,2\n")
            .features(2, &[], &names(&["y"]))
            .unwrap()
            .data,
        [1.0, 2.0]
    );
}

#[test]
fn wrong_columns_are_named() {
    let fails = |text: &str| {
        csv(text)
            .features(2, &names(&["age", "income"]), &[])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fails("age,incme\n1,2\n"),
        "d.csv: column `incme` is no feature of the model; did you mean `income`?"
    );
    assert_eq!(
        fails("age\n1\n"),
        "d.csv: the column `income` is missing: the model needs it"
    );
    assert_eq!(
        fails("age,age\n1,2\n"),
        "d.csv: column `age` stands twice in the header"
    );
    assert_eq!(
        fails("1,2,3\n"),
        "d.csv: 3 columns of features, the model takes 2"
    );
    assert_eq!(fails("age,income\n"), "d.csv: it has no rows");
    assert_eq!(
        fails("age,income\n1,x\n"),
        "d.csv: line 2: column `income`: `x` is no number; turn words into numbers the way \
         training did (pandas: get_dummies), or leave the column out"
    );
    assert_eq!(
        fails("age,income\n1,2\n1,\n"),
        "d.csv: line 3: column `income`: the cell is empty; fill missing values the way \
         training did (pandas: fillna)"
    );
    assert_eq!(
        fails("age;income\n1;2,5\n"),
        "d.csv: line 2: column `income`: `2,5` has a decimal comma; write numbers with a point"
    );
    assert_eq!(
        fails("age income\n1 2\n"),
        "d.csv: column `age income` is no feature of the model; cells are separated by \
         commas, semicolons or tabs"
    );
    assert_eq!(
        fails("1\n"),
        "d.csv: 1 columns of features, the model takes 2; cells are separated by commas, \
         semicolons or tabs"
    );
    let error = |bytes: &[u8]| {
        Data::from_bytes(Path::new("d.csv"), bytes.to_vec())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(b"1,2\n1\n"),
        "d.csv: line 2: 1 cells, the first line has 2"
    );
    assert_eq!(error(b""), "d.csv: is empty (0 bytes)");
    for (begins, says) in [
        (&b"\x1f\x8b\x08"[..], "packed by gzip and damaged"),
        (b"PAR1\x15", "read_parquet"),
        (b"[1, 2]", "is no object"),
        (b"{\"a\": 1", "line 1"),
    ] {
        assert!(error(begins).contains(says), "{}", error(begins));
    }
}

#[test]
fn separators_truth_values_and_the_index_of_pandas() {
    let expected = [1.0, 0.0, 0.0, 1.0];
    for text in [
        "a,b\nTrue,False\nfalse,TRUE\n",
        "b;a\n0;1\n1;0\n",
        "a\tb\n1\t0\n0\t1\n",
        ",a,b\n0,1,0\n1,0,1\n",
        "Unnamed: 0,a,b\n7,1,0\n9,0,1\n",
        "\"a\",\"b\"\n1,0\n0,1\n",
    ] {
        let rows = csv(text).features(2, &names(&["a", "b"]), &[]).unwrap();
        assert_eq!(rows.data, expected, "{text}");
    }
    // A header of numbers behind a column without a name is pandas' own.
    let numbered = csv(",0,1\n0,1,0\n1,0,1\n");
    assert_eq!(numbered.features(2, &[], &[]).unwrap().data, expected);
    assert_eq!(numbered.remarks(&[], &[]).len(), 2);
}

#[test]
fn only_columns_that_are_used_must_hold_numbers() {
    let d = csv("a,city,b,y\n1,Rome,2,\n3,Oslo,4,\n");
    let rows = d
        .features(2, &names(&["a", "b"]), &names(&["city", "y"]))
        .unwrap();
    assert_eq!(rows.data, [1.0, 2.0, 3.0, 4.0]);
    assert!(d.has_labels("y", 1) && !d.has_labels("z", 1));
    // A label may be missing, and anything else has to be a number.
    assert!(d.labels("y", 2, 1).unwrap().iter().all(|l| l.is_nan()));
    let error = csv("a,b,y\n1,2,\n1,2,yes\n").labels("y", 2, 1).unwrap_err();
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[test]
fn weights_are_no_feature() {
    let mut d = csv("a,w,b\n1,0.5,2\n3,2,4\n");
    assert_eq!(d.take_weights("w").unwrap(), [0.5, 2.0]);
    for known in [&names(&["a", "b"])[..], &[]] {
        assert_eq!(
            d.features(2, known, &[]).unwrap().data,
            [1.0, 2.0, 3.0, 4.0]
        );
    }
    assert!(d.take_weights("v").is_err());
    assert!(csv("a,w\n1,\n").take_weights("w").is_err());
}

#[test]
fn what_was_taken_on_trust_is_said() {
    let d = csv("p,q,y\n1,2,0\n");
    let remarks = d.remarks(&[], &names(&["y"]));
    assert!(
        remarks.len() == 1 && remarks[0].contains("`p`, `q` ("),
        "{remarks:?}"
    );
    assert!(d.remarks(&names(&["p", "q"]), &names(&["y"])).is_empty());
    assert!(csv("1,2\n").remarks(&[], &[]).is_empty());
    let rows = csv("1,NaN\n2,3\ninf,nan\n").features(2, &[], &[]).unwrap();
    assert_eq!(rows.not_finite(), (3, 2));
}

/// Looking names up one by one in a list would take minutes here.
#[test]
fn a_wide_header_is_read_in_time() {
    let many: Vec<String> = (0..200_000).map(|i| format!("f{i}")).collect();
    let row = vec!["1"; many.len()].join(",");
    let d = csv(&format!("{}\n{row}\n", many.join(",")));
    let start = std::time::Instant::now();
    assert_eq!(d.features(many.len(), &many, &[]).unwrap().len(), 1);
    assert_eq!(d.features(many.len(), &[], &[]).unwrap().len(), 1);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// A field of each kind: an id, a text that may be missing, a number, a list of ids with padding 0.
fn front() -> Front {
    let (mut tokens, _) = Coder::tokens(vec!["b".into(), "a b".into()], 2, true).unwrap();
    tokens.missing = Some(2);
    let (ids, _) = Coder::ids(&[0, 1, 2], 2).unwrap();
    let table = |coder, rows| Table {
        name: String::new(),
        coder,
        rows: vec![0.5; rows],
        width: 1,
    };
    let mut history = Field::new("history", Given::Id);
    history.list = Some(List {
        max: 3,
        keep_last: false,
    });
    history.text.padding = Some("0".into());
    let rows = |field, table, pool| Feature {
        field,
        makes: Makes::Rows { table, pool },
    };
    Front {
        fields: vec![
            Field::new("id", Given::Id),
            Field::new("text", Given::Text),
            Field::new("x", Given::F32),
            history,
        ],
        tables: vec![table(ids, 3), table(tokens, 3)],
        features: vec![
            rows(0, 0, Pool::One),
            rows(1, 1, Pool::One),
            Feature {
                field: 2,
                makes: Makes::Number(Number::default()),
            },
            rows(3, 0, Pool::Mean),
        ],
    }
}

fn records(data: &Data) -> Vec<Vec<Value>> {
    let front = front();
    front.check().unwrap();
    data.records(&front)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn expected() -> Vec<Vec<Value>> {
    vec![
        vec![
            Value::Id(1),
            Value::Text(" a b".into()),
            Value::Number(-0.5),
            Value::Ids(vec![2, 1]),
        ],
        vec![
            Value::Id(2),
            Value::Missing,
            Value::Number(1.0),
            Value::Ids(Vec::new()),
        ],
    ]
}

#[test]
fn the_same_records_from_every_kind_of_file() {
    let plain = "id,text,x,history,y\n1, a b,-0.5,2|1|0,1\n2,,1,,0\n";
    assert_eq!(records(&csv(plain)), expected());
    // Columns in another order, separated by semicolons, beside pandas' index; ids as floats.
    let other = ";history;x;text;id\n0;2|1;-0.5; a b;1.0\n1;0;True;;2.0\n";
    assert_eq!(records(&csv(other)), expected());
    for json in [
        "{\"id\": 1, \"text\": \" a b\", \"x\": -0.5, \"history\": [2, 1, 0], \"y\": 1}\n\
         {\"id\": 2, \"text\": null, \"x\": 1, \"history\": [], \"y\": 0}\n",
        "[{\"history\": \"2|1\", \"id\": \"1\", \"text\": \" a b\", \"x\": -0.5},\n\
         {\"id\": 2, \"x\": true}]",
    ] {
        assert_eq!(records(&csv(json)), expected(), "{json}");
    }
    assert_eq!(
        csv("{\"y\": 1}\n{\"y\": 0}\n").labels("y", 2, 1).unwrap(),
        [1.0, 0.0]
    );
}

#[test]
fn gzip_is_unpacked() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"id,text,x,history\n1, a b,-0.5,2|1\n2,,1,\n").unwrap();
    let bytes = packed.finish().unwrap();
    let data = Data::from_bytes(Path::new("d.csv.gz"), bytes).unwrap();
    assert_eq!(records(&data), expected());
}

#[test]
fn batches_hold_what_the_whole_file_does() {
    let text = "id,text,x,history\n1, a b,-0.5,2|1\n2,,1,\n";
    let (data, front) = (csv(text), front());
    let mut all = data.records(&front).unwrap();
    assert_eq!(all.batch(1).unwrap().unwrap(), expected()[..1]);
    assert_eq!(all.batch(5).unwrap().unwrap(), expected()[1..]);
    assert!(all.batch(5).is_none());
}

#[test]
fn cells_that_are_no_values_are_named() {
    let front = front();
    let error = |text: &str| {
        let data = csv(text);
        let first = data
            .records(&front)
            .and_then(|r| r.collect::<Result<Vec<_>, _>>());
        first.unwrap_err().to_string()
    };
    let cell = |x: &str| error(&format!("id,text,x,history\n0,b,1,1\n{x}\n"));
    for (cells, says) in [
        ("1,b,,1", "line 3: column `x`: nothing is there"),
        ("1,b,NaN,1", "line 3: column `x`: nothing is there"),
        ("1,b,red,1", "line 3: column `x`: `red` is no number"),
        (",b,1,1", "column `id`: nothing is there"),
        ("-1,b,1,1", "`-1` is no id"),
        (
            "5000000000,b,1,1",
            "ids of 64 bits and words are given as \"text\"",
        ),
        ("1.5,b,1,1", "`1.5` is no id"),
        ("1,b,1,1|x", "column `history`: `x` is no id"),
    ] {
        assert!(cell(cells).contains(says), "{cells}: {}", cell(cells));
    }
    assert_eq!(
        error("id,txt,x,history\n"),
        "d.csv: the column `text` is missing: the model needs it; is `txt` meant?"
    );
    assert!(error("id,id,text,x,history\n").contains("`id` stands twice"));
    assert!(error("1,2\n").contains("2 columns of features, the model takes 4, in the order"));
    assert!(error("{\"id\": 1, \"text\": 0.5, \"x\": 1}").contains("0.5 is a float"));
    assert!(error("{\"id\": [1], \"x\": 1}").contains("no single value"));
}

/// What the Python of `docs/data.md` writes: texts, padded lists of ids, a number that is missing,
/// outputs and labels, in one file.
#[test]
fn what_the_documents_python_writes_is_read_by_every_command() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/readers/records.npz");
    let data = Data::read(&path).unwrap();
    let (tokens, _) = Coder::tokens(vec!["DE".into(), "FR".into()], 1, true).unwrap();
    let mut coder = tokens;
    coder.missing = Some(1);
    let (ids, _) = Coder::ids(&[3, 5, 17], 3).unwrap();
    let table = |coder| Table {
        name: String::new(),
        coder,
        rows: vec![0.5; 3],
        width: 1,
    };
    let mut history = Field::new("history", Given::Id);
    history.list = Some(List {
        max: 3,
        keep_last: false,
    });
    history.text.padding = Some("0".into());
    let rows = |field, table, pool| Feature {
        field,
        makes: Makes::Rows { table, pool },
    };
    let front = Front {
        fields: vec![
            Field::new("country", Given::Text),
            history,
            Field::new("income", Given::F32),
        ],
        tables: vec![table(coder), table(ids)],
        features: vec![
            rows(0, 0, Pool::One),
            rows(1, 1, Pool::Mean),
            Feature {
                field: 2,
                makes: Makes::Number(Number {
                    missing: 0.0,
                    ..Number::default()
                }),
            },
        ],
    };
    front.check().unwrap();
    let records: Vec<_> = data
        .records(&front)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let text = |t: &str| Value::Text(t.into());
    assert_eq!(
        records,
        [
            [text("DE"), Value::Ids(vec![3, 17]), Value::Number(1.5)],
            [Value::Missing, Value::Ids(Vec::new()), Value::Missing],
            [text("FR"), Value::Ids(vec![5]), Value::Number(2.0)],
        ]
    );
    assert_eq!(data.output_name("click", 1), "p_click");
    assert_eq!(data.labels("p_buy", 3, 1).unwrap(), [0.4, 0.5, 0.6]);
    assert_eq!(data.labels("buy", 3, 1).unwrap(), [0.0, 1.0, 0.0]);
    let outputs = ["click", "buy"].map(String::from);
    assert!(data.record_remarks(&front, &outputs).is_empty());
}
