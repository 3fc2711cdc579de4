//! One front end of every kind of feature: typed, shape-erased, and as maps and vectors.

use super::assert_elements;
use mmoe::blob::FeatureRecord;
use mmoe::bytes::InPlace;
use mmoe::features::{
    Bag, Both, Buckets, Clipped, Direct, Embed, Exact, Farm, Feature, Int, Last, Log1p, Log10,
    Lookup, Max, Maybe, MaybeInt, Mean, Murmur, Number, Pooled, ReadAs, Repeated, Row, SideBySide,
    Sip, Slot, Slots, Sorted, Sum, Texts,
};
use mmoe::input::InputStage;
use mmoe::parallel::List2;
use mmoe::precision::Precision;
use mmoe::zerocopy::IntoBytes;
use mmoe::{
    Binary, Dense, Dynamic, F32, Gate, Head, I8, I16, LoadError, Mmoe, Regression, Seq, Value, W8,
};
use mmoe_tools::blob::{encode, read};
use mmoe_tools::convert;
use mmoe_tools::engine::BlobBytes;
use testkit::fronts::{Field, Naive, with_values};
use testkit::graphs::{self as seeded, assembled};
use testkit::{Rng, integer};

mmoe::features! {
    /// Everything that a field may be.
    pub struct All<'a> => AllStage<P>[56] {
        plain: f32 = Number<P>,
        income: f32 = Log1p<P>,
        price: f32 = Clipped<Log10<P>>,
        reading: i32 = Int<P>,
        maybe: Option<i32> = MaybeInt<P>,
        hour: u32 = Embed<Direct<24>, 25, 3, P>,
        zip: u32 = Embed<Sorted<40>, 41, 2, P>,
        country: Option<&'a str> = Embed<Maybe<Texts<20>>, 22, 4, P>,
        city: &'a str = Embed<Exact<10, 90>, 11, 3, P>,
        age: Option<f32> = Embed<Maybe<Buckets<6>>, 8, 2, P>,
        count: i32 = Embed<Buckets<5, i32>, 6, 1, P>,
        tag: &'a str = Embed<Farm<16>, 16, 3, P>,
        salted: u32 = Embed<Sip<9, u32>, 9, 2, P>,
        hashed: i32 = Embed<Murmur<7, i32>, 7, 2, P>,
        seen: &'a [u32] = Bag<Sorted<50>, 5, Mean, 51, 4, P>,
        liked: &'a [&'a str] = Bag<Texts<12>, 4, Last<Sum>, 12, 3, P>,
        best: &'a [f32] = Bag<Buckets<4>, 3, Max, 5, 2, P>,
        side: &'a [u32] = Lookup<Direct<8>, 9, 2, P, SideBySide<3>>,
        last: u32 = Row as seen,
        recent: &'a [u32] = Pooled<2, Last<Mean>> as seen,
        device: u32 = Slot<Direct<4>, P>,
        topics: &'a [u32] = Slots<Direct<6>, 3, P>,
        words: &'a [&'a str] = Slots<Texts<5>, 2, P, Repeated>,
    }
}

/// The records of [`AllStage`], as a converter writes them.
fn records<P: Precision>() -> Vec<FeatureRecord> {
    type Seen<P> = Bag<Sorted<50>, 5, Mean, 51, 4, P>;
    let records = [
        <Number<P> as Feature>::RECORD,
        <Log1p<P> as Feature>::RECORD,
        <Clipped<Log10<P>> as Feature>::RECORD,
        <Int<P> as Feature>::RECORD,
        <MaybeInt<P> as Feature>::RECORD,
        <Embed<Direct<24>, 25, 3, P> as Feature>::RECORD,
        <Embed<Sorted<40>, 41, 2, P> as Feature>::RECORD,
        <Embed<Maybe<Texts<20>>, 22, 4, P> as Feature>::RECORD,
        <Embed<Exact<10, 90>, 11, 3, P> as Feature>::RECORD,
        <Embed<Maybe<Buckets<6>>, 8, 2, P> as Feature>::RECORD,
        <Embed<Buckets<5, i32>, 6, 1, P> as Feature>::RECORD,
        <Embed<Farm<16>, 16, 3, P> as Feature>::RECORD,
        <Embed<Sip<9, u32>, 9, 2, P> as Feature>::RECORD,
        <Embed<Murmur<7, i32>, 7, 2, P> as Feature>::RECORD,
        <Seen<P> as Feature>::RECORD,
        <Bag<Texts<12>, 4, Last<Sum>, 12, 3, P> as Feature>::RECORD,
        <Bag<Buckets<4>, 3, Max, 5, 2, P> as Feature>::RECORD,
        <Lookup<Direct<8>, 9, 2, P, SideBySide<3>> as Feature>::RECORD,
        <Seen<P> as ReadAs<Row>>::RECORD,
        <Seen<P> as ReadAs<Pooled<2, Last<Mean>>>>::RECORD,
        <Slot<Direct<4>, P> as Feature>::RECORD,
        <Slots<Direct<6>, 3, P> as Feature>::RECORD,
        <Slots<Texts<5>, 2, P, Repeated> as Feature>::RECORD,
    ];
    placed(&records, |at| if at == 18 || at == 19 { 14 } else { at })
}

/// Fills in what depends on a feature's place.
fn placed(records: &[FeatureRecord], table: impl Fn(usize) -> usize) -> Vec<FeatureRecord> {
    let place = |(at, r): (usize, &FeatureRecord)| FeatureRecord {
        field: at as u8,
        table: table(at) as u8,
        ..*r
    };
    records.iter().enumerate().map(place).collect()
}

fn id(field: &Field) -> u32 {
    match field {
        Field::Id(id) => *id,
        other => panic!("{other:?}"),
    }
}
fn integer(field: &Field) -> i32 {
    match field {
        Field::Integer(x) => *x,
        other => panic!("{other:?}"),
    }
}
fn number(field: &Field) -> f32 {
    match field {
        Field::Number(x) => *x,
        Field::Missing => f32::NAN,
        other => panic!("{other:?}"),
    }
}
fn text(field: &Field) -> &str {
    match field {
        Field::Text(text) => text,
        other => panic!("{other:?}"),
    }
}
fn there(field: &Field) -> Option<&Field> {
    (*field != Field::Missing).then_some(field)
}
fn list<'a, T>(field: &'a Field, of: impl Fn(&'a Field) -> T) -> Vec<T> {
    match field {
        Field::List(items) => items.iter().map(of).collect(),
        Field::Missing => vec![],
        other => panic!("{other:?}"),
    }
}

/// Calls `f` with the record as the struct that a program has.
fn with_all<R>(r: &[Field], f: impl FnOnce(All<'_>) -> R) -> R {
    f(All {
        plain: number(&r[0]),
        income: number(&r[1]),
        price: number(&r[2]),
        reading: integer(&r[3]),
        maybe: there(&r[4]).map(integer),
        hour: id(&r[5]),
        zip: id(&r[6]),
        country: there(&r[7]).map(text),
        city: text(&r[8]),
        age: there(&r[9]).map(number),
        count: integer(&r[10]),
        tag: text(&r[11]),
        salted: id(&r[12]),
        hashed: integer(&r[13]),
        seen: &list(&r[14], id),
        liked: &list(&r[15], text),
        best: &list(&r[16], number),
        side: &list(&r[17], id),
        last: id(&r[18]),
        recent: &list(&r[19], id),
        device: id(&r[20]),
        topics: &list(&r[21], id),
        words: &list(&r[22], text),
    })
}

type Expert<P> = Seq<Dense<56, 6, P>, Dense<6, 3, P>>;
type Tower<P> = Seq<Dense<3, 4, P>, Head<4, 1, P>>;
type Pair<P> = List2<Binary<Tower<P>>, Regression<Tower<P>>>;
type Model<P, S> = Mmoe<[Expert<P>; 2], [Gate<56, 2, P>; 2], Pair<P>, S>;

/// A blob of the model above that takes plain numbers, in the precision that these name.
fn plain(precision: convert::Precision, rng: &mut Rng) -> BlobBytes {
    let nodes = vec![
        seeded::expert(rng, 0, &[56, 6, 3]),
        seeded::expert(rng, 0, &[56, 6, 3]),
        seeded::gate(
            rng,
            mmoe_tools::graph::GateKind::Softmax,
            0,
            56,
            vec![1, 2],
            3,
        ),
        seeded::gate(
            rng,
            mmoe_tools::graph::GateKind::Softmax,
            0,
            56,
            vec![1, 2],
            3,
        ),
        seeded::tower(rng, 3, &[3, 4, 1]),
        seeded::tower(rng, 4, &[3, 4, 1]),
    ];
    let outputs = [
        mmoe_tools::graph::Output::Sigmoid { value: 5 },
        mmoe_tools::graph::Output::Linear { value: 6 },
    ];
    let graph = seeded::graph(56, nodes, &outputs);
    if precision == convert::Precision::I8 {
        integer::blob(&graph, integer::Wide::Heads, encode::Packing::Panels, rng)
    } else {
        seeded::blob(&graph, precision)
    }
}

/// The same blob with a front end in the place of its input stage.
fn grafted(plain: &BlobBytes, naive: &Naive) -> BlobBytes {
    let (mut header, weights) = read::split(plain).unwrap();
    header.inputs[0].kind = 1;
    header.feature_names.clear();
    let bytes = naive.records.as_bytes().to_vec();
    header.sections.push((1, bytes));
    let start = mmoe::Blob::open(plain).unwrap().input_bytes();
    assembled(&header, &[&naive.bytes, &weights[start..]].concat())
}

fn everything<P: Precision>(precision: convert::Precision, seed: u64)
where
    Model<P, AllStage<P>>: InPlace,
    AllStage<P>: InPlace,
    f64: From<P::Act>,
{
    let mut rng = Rng::new(seed);
    let is_integer = precision == convert::Precision::I8;
    for round in 0..8 {
        let naive = Naive::random(&records::<P>(), is_integer, &mut rng);
        let blob = grafted(&plain(precision, &mut rng), &naive);
        let typed = Model::<P, AllStage<P>>::load(&blob).unwrap_or_else(|e| panic!("{e}"));
        let erased = Dynamic::load(&blob).unwrap_or_else(|e| panic!("{e}"));
        let mut scratch = vec![u32::MAX; erased.scratch_words()];
        for _ in 0..50 {
            let record = naive.record(&mut rng);
            with_all(&record, |all| {
                typed.input.with(all, |vector, _| {
                    let found: Vec<f64> = vector.iter().map(|v| f64::from(*v)).collect();
                    assert_elements(&found, &naive.vector(&record), &format!("{record:?}"));
                });
                let (p, y) = typed.predict(all);
                let traced = typed.predict_traced(all);
                assert_eq!(
                    (p.to_bits(), y.to_bits()),
                    (traced.tasks.0.to_bits(), traced.tasks.1.to_bits())
                );
                with_values(&record, |values| {
                    let mut out = [0.0; 2];
                    let run = erased
                        .predict_record(values, &mut scratch, &mut out)
                        .unwrap();
                    assert_eq!(
                        [p.to_bits(), y.to_bits()],
                        out.map(f32::to_bits),
                        "{record:?}"
                    );
                    assert_eq!(run, traced.run);
                });
            });
        }
        if round == 0 {
            refused::<P>(&blob);
        }
    }
}

/// Every change of a byte of the records: the type refuses all, and whoever accepts one runs it.
fn refused<P: Precision>(blob: &BlobBytes)
where
    Model<P, AllStage<P>>: InPlace,
{
    let all = records::<P>();
    let needle = all.as_bytes();
    let at = blob
        .windows(needle.len())
        .position(|w| w == needle)
        .unwrap();
    for i in 0..needle.len() {
        for value in [0, 1, 2, 7, 64, 128, 255] {
            let mut changed = blob.to_vec();
            if changed[at + i] == value {
                continue;
            }
            changed[at + i] = value;
            let sum = mmoe::blob::crc32(&changed[14..]);
            changed[10..14].copy_from_slice(&sum.to_le_bytes());
            let changed = BlobBytes::new(&changed);
            let feature = (i / 24) as u32;
            match Model::<P, AllStage<P>>::load(&changed) {
                Err(LoadError::Feature {
                    feature: found,
                    offset,
                    ..
                }) => {
                    assert_eq!((found, offset), (feature, (i % 24 / 4 * 4) as u32));
                }
                other => panic!("byte {i} as {value}: {:?}", other.err()),
            }
            if let Ok(erased) = Dynamic::load(&changed) {
                let mut scratch = vec![u32::MAX; erased.scratch_words()];
                let values = [
                    Value::Id(3),
                    Value::Text(b"a"),
                    Value::Ids(&[1, 2]),
                    Value::Number(0.5),
                ];
                let record: Vec<Value<'_>> =
                    (0..erased.fields()).map(|f| values[(f + i) % 4]).collect();
                let _ = erased.predict_record(&record, &mut scratch, &mut [0.0; 2]);
            }
        }
    }
}

#[test]
fn everything_in_f32() {
    everything::<F32>(convert::Precision::F32, 1);
}

#[test]
fn everything_in_w8() {
    everything::<W8>(convert::Precision::W8, 2);
}

#[test]
fn everything_in_i8() {
    everything::<I8>(convert::Precision::I8, 3);
}

mmoe::features! {
    /// Who looks.
    pub struct User<'a> => UserStage<P>[20] {
        age: f32 = Number<P>,
        income: f32 = Log1p<P>,
        // Another feature of an earlier field: the item's fields are not numbered as its features are.
        age_group(age) = Embed<Buckets<4>, 5, 2, P>,
        country: Option<&'a str> = Embed<Maybe<Texts<20>>, 22, 8, P>,
        history: &'a [u32] = Bag<Sorted<50>, 5, Mean, 51, 4, P>,
        favourite(history) = SideBySide<1> as history,
    }
}
mmoe::features! {
    /// What is looked at.
    #[derive(PartialEq)]
    pub struct Item => ItemStage<P>[36] {
        id: u32 = Embed<Sorted<40>, 41, 20, P>,
        price: f32 = Embed<Buckets<9>, 10, 16, P>,
    }
}

/// The records of both, those of the item marked as the candidate's.
fn both_records<P: Precision>() -> Vec<FeatureRecord> {
    type History<P> = Bag<Sorted<50>, 5, Mean, 51, 4, P>;
    let mut records = placed(
        &[
            <Number<P> as Feature>::RECORD,
            <Log1p<P> as Feature>::RECORD,
            <Embed<Buckets<4>, 5, 2, P> as Feature>::RECORD,
            <Embed<Maybe<Texts<20>>, 22, 8, P> as Feature>::RECORD,
            <History<P> as Feature>::RECORD,
            <History<P> as ReadAs<SideBySide<1>>>::RECORD,
            <Embed<Sorted<40>, 41, 20, P> as Feature>::RECORD,
            <Embed<Buckets<9>, 10, 16, P> as Feature>::RECORD,
        ],
        |at| if at == 5 { 4 } else { at },
    );
    for (r, field) in records.iter_mut().zip([0, 1, 0, 2, 3, 3, 4, 5]) {
        r.field = field;
    }
    for r in &mut records[6..] {
        r.flags |= FeatureRecord::CANDIDATE;
    }
    records
}

/// Contexts and candidates, against both records at once and the shape-erased model.
macro_rules! ranks {
    ($name:ident, $P:ty, $seed:literal) => {
        #[test]
        fn $name() {
            type Stage = Both<UserStage<$P>, ItemStage<$P>, [<$P as Precision>::Act; 56]>;
            let mut rng = Rng::new($seed);
            let precision = match stringify!($P) {
                "F32" => convert::Precision::F32,
                "W8" => convert::Precision::W8,
                _ => convert::Precision::I8,
            };
            let is_integer = precision == convert::Precision::I8;
            let naive = Naive::random(&both_records::<$P>(), is_integer, &mut rng);
            let blob = grafted(&plain(precision, &mut rng), &naive);
            let typed = Model::<$P, Stage>::load(&blob).unwrap_or_else(|e| panic!("{e}"));
            let erased = Dynamic::load(&blob).unwrap();
            assert_eq!((erased.fields(), erased.context_fields()), (6, 4));
            let mut scratch = vec![u32::MAX; erased.scratch_words()];
            for _ in 0..40 {
                let user = naive.record(&mut rng);
                let history = list(&user[3], id);
                let u = User {
                    age: number(&user[0]),
                    income: number(&user[1]),
                    country: there(&user[2]).map(text),
                    history: &history,
                };
                let records: Vec<Vec<Field>> = (0..9).map(|_| naive.record(&mut rng)).collect();
                let items: Vec<Item> = records
                    .iter()
                    .map(|r| Item {
                        id: id(&r[4]),
                        price: number(&r[5]),
                    })
                    .collect();
                let context = typed.context(u);
                with_values(&user[..4], |values| erased.context(values, &mut scratch)).unwrap();
                let mut best: Option<(f32, u32)> = None;
                for (i, (item, record)) in items.iter().zip(&records).enumerate() {
                    let (p, y) = typed.predict((u, *item));
                    let bits = [p.to_bits(), y.to_bits()];
                    let (p2, y2) = typed.predict_in(&context, *item);
                    assert_eq!(bits, [p2.to_bits(), y2.to_bits()]);
                    let mut out = [0.0; 2];
                    with_values(&record[4..], |values| {
                        erased.predict_in(values, &mut scratch, &mut out).unwrap();
                    });
                    assert_eq!(bits, out.map(f32::to_bits));
                    if p > best.map_or(f32::NEG_INFINITY, |(p, _)| p) {
                        best = Some((p, i as u32));
                    }
                }
                let ranked = typed.rank::<1>(u, items.iter().copied(), |(p, _)| *p);
                assert_eq!(ranked.first().map(|r| (r.score, r.index)), best);
            }
        }
    };
}
ranks!(ranks_in_f32, F32, 4);
ranks!(ranks_in_w8, W8, 5);
ranks!(ranks_in_i8, I8, 6);

#[test]
fn another_front_end_is_named() {
    let mut rng = Rng::new(9);
    let naive = Naive::random(&records::<I16>(), true, &mut rng);
    let blob = grafted(&plain(convert::Precision::I8, &mut rng), &naive);
    let error = |e: Result<_, LoadError>| e.err().unwrap();
    // Rows of int16 where the type has int8.
    let found = error(Model::<I8, AllStage<I8>>::load(&blob).map(|_| ()));
    assert_eq!(
        found.to_string(),
        "feature 5, precision: 3 in the blob, 2 in the type"
    );
    // Plain numbers, and the other way round.
    type Raw = Model<I8, mmoe::Raw<[i16; 56]>>;
    let found = error(Raw::load(&blob).map(|_| ()));
    assert_eq!(
        found,
        LoadError::Inputs {
            expected: 56,
            found: 0
        }
    );
    let numbers = plain(convert::Precision::I8, &mut rng);
    let found = error(Model::<I8, AllStage<I8>>::load(&numbers).map(|_| ()));
    assert_eq!(
        found,
        LoadError::Features {
            expected: 23,
            found: 0
        }
    );
    assert!(Raw::load(&numbers).is_ok());
    // Fewer features than the type has.
    let (mut header, weights) = read::split(&blob).unwrap();
    header.sections.last_mut().unwrap().1 = naive.records[..22].as_bytes().to_vec();
    let found = error(Model::<I8, AllStage<I8>>::load(&assembled(&header, weights)).map(|_| ()));
    assert_eq!(
        found,
        LoadError::Features {
            expected: 23,
            found: 22
        }
    );
}
