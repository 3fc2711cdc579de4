//! What `codegen` wrote for models of every family compiles without a warning, loads the blob it
//! was written for, gives the bits that the shape-erased view gives, and takes the buffers that
//! `inspect` says.

#![deny(warnings)]

use mmoe_tools::engine::{BlobBytes, Runner};
use mmoe_tools::front::Value;
use mmoe_tools::rust_type::typed;

mod generated {
    #[rustfmt::skip]
    pub(crate) mod bottom;
    #[rustfmt::skip]
    pub(crate) mod cgc;
    #[rustfmt::skip]
    pub(crate) mod independent;
    #[rustfmt::skip]
    pub(crate) mod mixed;
    #[rustfmt::skip]
    pub(crate) mod mixed_i8;
    #[rustfmt::skip]
    pub(crate) mod mmoe;
    #[rustfmt::skip]
    pub(crate) mod omoe;
    #[rustfmt::skip]
    pub(crate) mod ple;
    #[rustfmt::skip]
    pub(crate) mod ple_i8;
    #[rustfmt::skip]
    pub(crate) mod product;
    #[rustfmt::skip]
    pub(crate) mod products;
    #[rustfmt::skip]
    pub(crate) mod ranking;
    #[rustfmt::skip]
    pub(crate) mod records;
    #[rustfmt::skip]
    pub(crate) mod records_i8;
    #[rustfmt::skip]
    pub(crate) mod stack;
}

/// Holds one module against the erased view; `flat` makes a list of its outputs.
macro_rules! holds {
    ($name:ident, |$y:ident| $flat:expr) => {
        #[test]
        fn $name() {
            use generated::$name as module;
            let blob: &[u8] = module::BLOB;
            let x: [f32; module::INPUTS] = std::array::from_fn(|i| (i as f32 * 1.7).sin() * 2.0);
            let $y = module::load().unwrap().predict(&x);
            let flat: Vec<f32> = $flat;
            let bytes = BlobBytes::new(blob);
            let mut runner = Runner::load(&bytes).unwrap();
            let expected = runner.predict(&x).unwrap().0.to_vec();
            assert_eq!(
                flat.iter().map(|v| v.to_bits()).collect::<Vec<_>>(),
                expected.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            );
            let opened = runner.model.blob();
            assert_eq!(module::SCRATCH, typed(opened).unwrap().scratch);
            assert_eq!(
                (module::BLOB_BYTES, module::WEIGHT_BYTES),
                (blob.len(), opened.weights.len())
            );
            assert_eq!(module::TASKS, runner.tasks.len());
        }
    };
}

holds!(mmoe, |y| [&[y.click_through][..], &y.type_, &y.u8_]
    .concat());
holds!(omoe, |y| vec![y.a, y.b]);
holds!(bottom, |y| vec![y.a, y.b]);
holds!(independent, |y| [&[y.a][..], &y.b].concat());
holds!(cgc, |y| vec![y.a, y.b]);
holds!(ple, |y| vec![y.a, y.b]);
holds!(stack, |y| vec![y.a, y.b]);
holds!(mixed, |y| [
    &[y.hard, y.top, y.select][..],
    &y.constant,
    &[y.sees]
]
.concat());
holds!(mixed_i8, |y| [
    &[y.hard, y.top, y.select][..],
    &y.constant,
    &[y.sees]
]
.concat());
holds!(ple_i8, |y| vec![y.a, y.b]);
holds!(product, |y| vec![y.towers.ctr, y.towers.cvr, y.product]);
holds!(products, |y| [
    &[y.towers.towers.ctr][..],
    &y.towers.towers.kind,
    &[
        y.towers.towers.cvr,
        y.towers.towers.dwell,
        y.towers.product,
        y.product
    ]
]
.concat());

#[test]
fn features_have_names() {
    use generated::mmoe::feature;
    assert_eq!(
        (
            feature::AGE,
            feature::INCOME__K__,
            feature::N_2ND_VISIT,
            feature::TYPE_,
            feature::AGE_
        ),
        (0, 1, 2, 3, 4)
    );
}

/// Holds a model that takes records against the erased view: the same bits, known and unknown values
/// among them. The records are one, or a context and a candidate.
macro_rules! holds_records {
    ($name:ident, $Record:ident $(, $Candidate:ident)?) => {
        #[test]
        fn $name() {
            use generated::$name as module;
            let blob: &[u8] = module::BLOB;
            let model = module::load().unwrap();
            let bytes = BlobBytes::new(blob);
            let mut runner = Runner::load(&bytes).unwrap();
            let histories: [&[u32]; 4] = [&[], &[7], &[9, 5, 1_000_000], &[7, 7, 9, 9]];
            let countries = [Some("DE"), None, Some("A"), Some("de")];
            let mut seen = Vec::new();
            for n in 0..16 {
                let (country, history) = (countries[n % 4], histories[n / 4]);
                let item = [7, 8, 9][n % 3];
                let price = [0.5, f32::NAN, -3.0, 4e6][n % 4];
                let (age, count) = (n as f32 * 6.0, n as i32 * 70 - 90);
                let tag = ["", "x", "a tag of several words"][n % 3];
                let (screen, phone) = (module::DeviceValue::BigScreen, module::DeviceValue::Phone);
                let other = module::DeviceValue::Other as u32;
                let device = [Some(screen as u32), None, Some(phone as u32), Some(other)][n % 4];
                let named = ["big_screen", "", "phone", "a watch"][n % 4];
                let y = holds_records!(
                    @predict model module $Record { country, history, item, price_k: price, age, count }
                    $($Candidate)? { tag, device }
                );
                let record = [
                    country.map_or(Value::Missing, |c| Value::Text(c.into())),
                    Value::Ids(history.into()),
                    Value::Id(item),
                    Value::Number(price),
                    Value::Number(age),
                    Value::Int(count),
                    Value::Text(tag.into()),
                    device.map_or(Value::Missing, |_| Value::Text(named.into())),
                ];
                let expected = runner.predict_record(&record).unwrap().0;
                let bits: Vec<u32> = expected.iter().map(|v| v.to_bits()).collect();
                assert_eq!([y.a.to_bits(), y.b.to_bits()], bits[..], "record {n}");
                seen.push(bits);
            }
            seen.sort_unstable();
            seen.dedup();
            assert!(seen.len() > 12, "the outputs do not depend on the records");
            assert_eq!(module::SCRATCH, typed(runner.model.blob()).unwrap().scratch);
        }
    };
    (@predict $model:ident $module:ident $Record:ident { $($f:tt)* } { $($g:tt)* }) => {
        $model.predict($module::$Record { $($f)*, $($g)* })
    };
    (@predict $model:ident $module:ident $Context:ident { $($f:tt)* } $Candidate:ident { $($g:tt)* }) => {{
        let (context, candidate) = ($module::$Context { $($f)* }, $module::$Candidate { $($g)* });
        let y = $model.predict((context, candidate));
        let kept = $model.predict_in(&$model.context(context), candidate);
        assert_eq!([y.a.to_bits(), y.b.to_bits()], [kept.a.to_bits(), kept.b.to_bits()]);
        y
    }};
}

holds_records!(records, Record);
holds_records!(records_i8, Record);
holds_records!(ranking, Context, Candidate);
