use super::*;

/// A field of text, a list of ids and a number.
fn front() -> Front {
    let (mut tokens, order) =
        Coder::tokens(["a", "b", "c"].map(str::to_owned).into(), 3, true).unwrap();
    tokens.missing = Some(4);
    let rows = |i: &usize| [*i as f32, 10.0 * *i as f32];
    let (ids, _) = Coder::ids(&[10, 20, 30], NONE).unwrap();
    Front {
        fields: vec![
            Field::new("text", Given::Text),
            Field {
                list: Some(List {
                    max: 2,
                    keep_last: false,
                }),
                ..Field::new("ids", Given::Id)
            },
            Field::new("number", Given::F32),
        ],
        tables: vec![
            Table {
                name: "t".into(),
                coder: tokens,
                rows: order.iter().chain(&[3, 4]).flat_map(rows).collect(),
                width: 2,
            },
            Table {
                name: "i".into(),
                coder: ids,
                rows: vec![1.0, 2.0, 4.0],
                width: 1,
            },
        ],
        features: vec![
            Feature {
                field: 0,
                makes: Makes::Rows {
                    table: 0,
                    pool: Pool::One,
                },
            },
            Feature {
                field: 1,
                makes: Makes::Rows {
                    table: 1,
                    pool: Pool::Mean,
                },
            },
            Feature {
                field: 2,
                makes: Makes::Number(Number {
                    transform: Transform::Log1p,
                    missing: 0.0,
                    clip: None,
                }),
            },
        ],
    }
}

fn made(text: Value, ids: &[u32], number: Value) -> Vec<f64> {
    front()
        .vector(&[text, Value::Ids(ids.into()), number])
        .unwrap()
}

#[test]
fn every_token_gets_its_own_row_whatever_its_hash() {
    front().check().unwrap();
    for (i, token) in ["a", "b", "c"].iter().enumerate() {
        let v = made(Value::Text((*token).into()), &[], Value::Number(0.0));
        assert_eq!(v, [i as f64, 10.0 * i as f64, 0.0, 0.0]);
    }
    let of = |text| made(text, &[], Value::Missing)[0];
    assert_eq!(of(Value::Text("d".into())), 3.0);
    assert_eq!(of(Value::Text("a ".into())), 3.0);
    assert_eq!(of(Value::Missing), 4.0);
}

#[test]
fn items_without_a_row_do_not_count_and_long_lists_are_cut() {
    let of = |ids: &[u32]| made(Value::Missing, ids, Value::Missing)[2];
    assert_eq!(of(&[10, 30]), 2.5);
    assert_eq!(of(&[10, 99]), 1.0);
    assert_eq!(of(&[10, 20, 30]), 1.5);
    assert_eq!(of(&[]), 0.0);
    let mut last = front();
    last.fields[1].list = Some(List {
        max: 2,
        keep_last: true,
    });
    let record = [Value::Missing, Value::Ids(vec![10, 20, 30]), Value::Missing];
    assert_eq!(last.vector(&record).unwrap()[2], 3.0);
}

#[test]
fn a_value_of_another_kind_is_an_error() {
    let front = front();
    let record = |text, ids, number| front.vector(&[text, ids, number]);
    let ids = || Value::Ids(Vec::new());
    assert!(record(Value::Missing, ids(), Value::Missing).is_ok());
    assert!(record(Value::Id(1), ids(), Value::Missing).is_err());
    // A list that is missing is empty.
    assert!(record(Value::Missing, Value::Missing, Value::Missing).is_ok());
    assert!(record(Value::Missing, Value::Id(1), Value::Missing).is_err());
    assert!(record(Value::Missing, ids(), Value::Text("3".into())).is_err());
    assert!(front.vector(&[Value::Missing]).is_err());
}

#[test]
fn dense_ids_need_no_keys() {
    let (coder, order) = Coder::ids(&[0, 1, 2], 7).unwrap();
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(
        coder.by,
        By::Direct {
            entries: 3,
            other: 7
        }
    );
    let (coder, order) = Coder::ids(&[30, 10], 7).unwrap();
    assert_eq!(order, [1, 0]);
    assert_eq!(coder.code(Item::Id(30)), Some(1));
    assert_eq!(coder.code(Item::Id(20)), Some(7));
    assert!(!coder.knows(Item::Id(20)));
    assert!(Coder::ids(&[1, 2, 1], 0).is_err());
    assert!(Coder::tokens(vec!["a".into(), "a".into()], 0, false).is_err());
}

/// Numbers that TensorFlow 2.21 (`to_hash_bucket_fast`, `to_hash_bucket_strong`) and scikit-learn's
/// `FeatureHasher` printed.
#[test]
fn hashes_are_those_of_the_frameworks() {
    let (x65, x200) = ("x".repeat(65), "x".repeat(200));
    let strings = [
        "",
        "a",
        "DE",
        "de",
        "0",
        "-1",
        "hello world",
        "a longer string of 33 characters!",
        &x65,
        &x200,
        " Never married",
    ];
    let codes = |by: By| {
        let coder = Coder { by, missing: None };
        strings.map(|text| coder.code(Item::Text(text)).unwrap())
    };
    let fast = [
        1_699_943_623,
        493_484_721,
        1_383_873_208,
        915_301_014,
        1_633_463_888,
        1_833_158_626,
        1_022_762_667,
        1_782_398_342,
        535_548_725,
        1_551_571_893,
        1_295_896_098,
    ];
    assert_eq!(codes(By::Farm((1 << 31) - 1)), fast);
    assert_eq!(codes(By::Farm(10)), [3, 9, 1, 4, 5, 0, 1, 2, 9, 7, 3]);
    assert_eq!(
        codes(By::Sip(1000, [133, 137])),
        [900, 354, 11, 101, 369, 874, 296, 821, 478, 806, 387]
    );
    assert_eq!(
        codes(By::Sip(10, [133, 133])),
        [7, 7, 8, 8, 5, 6, 7, 6, 3, 4, 9]
    );
    assert_eq!(codes(By::Murmur(8))[1..3], [2, 1]);
    let farm = Coder {
        by: By::Farm(10),
        missing: None,
    };
    let numbers = [Item::Int(0), Item::Id(1), Item::Int(-1)];
    assert_eq!(numbers.map(|n| farm.code(n).unwrap()), [5, 9, 0]);
    assert_eq!(
        farm.code(Item::Number(0.1)),
        None,
        "no two programs agree on its text"
    );
}

#[test]
fn a_bound_belongs_to_the_upper_bucket_and_nan_to_the_last() {
    let coder = Coder {
        by: By::Buckets(Bounds::F32(vec![0.0, 1.0])),
        missing: None,
    };
    let xs = [
        -1.0,
        0.0,
        0.5,
        1.0,
        2.0,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
    ];
    let codes = xs.map(|x| coder.code(Item::Number(x)).unwrap());
    assert_eq!(codes, [0, 1, 1, 2, 2, 2, 2, 0]);
}
