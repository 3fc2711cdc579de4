//! Random front ends, shape-erased.

use super::assert_elements;
use mmoe::{Dynamic, RunError, Value, kernel};
use std::collections::HashMap;
use testkit::Rng;
use testkit::fronts::{self, Naive, with_values};

/// Runs random records through random front ends, as a whole and as a context with a candidate.
/// Returns how many elements were compared.
fn front_ends(seed: u64, rounds: usize, rows: usize) -> usize {
    let mut rng = Rng::new(seed);
    let mut compared = 0;
    for round in 0..rounds {
        let integer = rng.one_in(2);
        let records = fronts::records(integer, &mut rng);
        let naive = Naive::random(&records, integer, &mut rng);
        let width = naive.width();
        let blob = fronts::blob(&records, &naive.bytes, width, integer);
        let model =
            Dynamic::load(&blob).unwrap_or_else(|e| panic!("round {round}: {e} {records:#?}"));
        assert_eq!((model.fields(), model.inputs()), (naive.fields(), width));
        let mut scratch = vec![0xffff_ffff; model.scratch_words()];
        let mut y = vec![0.0; model.outputs()];
        for _ in 0..rows {
            let record = naive.record(&mut rng);
            let wanted = naive.vector(&record);
            with_values(&record, |values| {
                model.predict_record(values, &mut scratch, &mut y).unwrap();
                let found: Vec<f64> = y[..width].iter().map(|y| f64::from(*y)).collect();
                assert_elements(
                    &found,
                    &wanted,
                    &format!("round {round}: {record:?} {records:?}"),
                );
                // The same in two parts.
                let (context, candidate) = values.split_at(model.context_fields());
                let mut z = vec![0.0; model.outputs()];
                model.context(context, &mut scratch).unwrap();
                model.predict_in(candidate, &mut scratch, &mut z).unwrap();
                let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&y), bits(&z));
            });
            compared += width;
        }
    }
    compared
}

#[test]
fn a_front_end_makes_what_maps_and_vectors_make() {
    assert!(front_ends(1, 400, 30) > 100_000);
}

/// Ids and texts, looked up among sorted ones and in maps. `LOOK_UPS=10000000` runs more of them.
#[test]
fn look_ups_find_what_maps_find() {
    let wanted = std::env::var("LOOK_UPS").map_or(400_000, |n| n.parse().unwrap());
    let mut rng = Rng::new(5);
    let (mut done, mut found) = (0, 0);
    while done < wanted {
        let n = rng.within(1, 6000);
        let seed = rng.bits() as u32;
        // Half of the tables have keys close together, so that neighbours are looked up too.
        let mask = rng.pick(&[u32::MAX, 4 * n as u32]);
        let mut keys: Vec<u32> = (0..n).map(|_| rng.bits() as u32 & mask).collect();
        keys.extend((0..n / 2).map(|i| kernel::token(seed, i.to_string().as_bytes())));
        keys.sort_unstable();
        keys.dedup();
        let map: HashMap<u32, u32> = (0..).zip(&keys).map(|(i, k)| (*k, i)).collect();
        let mut floats: Vec<f32> = keys.iter().map(|k| f32::from_bits(*k)).collect();
        floats.retain(|x| !x.is_nan());
        floats.sort_by(f32::total_cmp);
        for _ in 0..4000 {
            let key = match rng.below(4) {
                0 => rng.bits() as u32,
                1 => kernel::token(seed, rng.below(n).to_string().as_bytes()),
                _ => rng
                    .pick(&keys)
                    .wrapping_add(rng.below(3) as u32)
                    .wrapping_sub(1),
            };
            let code = kernel::find(&keys, key);
            assert_eq!(code, map.get(&key).copied(), "{key} of {n} keys");
            found += usize::from(code.is_some());
            let x = f32::from_bits(key);
            let below = if x.is_nan() {
                floats.len()
            } else {
                floats.partition_point(|b| *b <= x)
            };
            assert_eq!(kernel::bucket_f32(&floats, x), below as u32, "{x}");
            done += 2;
        }
    }
    assert!(found > wanted / 8, "{found} of {wanted} found");
}

#[test]
fn fields_of_another_kind_or_number_are_named() {
    let mut rng = Rng::new(3);
    let mut named = 0;
    for _ in 0..200 {
        let records = fronts::records(false, &mut rng);
        let naive = Naive::random(&records, false, &mut rng);
        let blob = fronts::blob(&records, &naive.bytes, naive.width(), false);
        let model = Dynamic::load(&blob).unwrap();
        let mut scratch = vec![0; model.scratch_words()];
        let mut y = vec![0.0; model.outputs()];
        let record = naive.record(&mut rng);
        with_values(&record, |values| {
            let field = rng.below(values.len());
            let mut wrong = values.to_vec();
            // No model takes a list of NaN as anything but numbers, and none of these are in the way.
            wrong[field] = match wrong[field] {
                Value::Number(_) => Value::Text(b"1"),
                _ => Value::Number(1.0),
            };
            let first = records
                .iter()
                .find(|r| usize::from(r.field) == field)
                .unwrap();
            let takes = first.given() == Some(mmoe::blob::Given::F32) && !first.is_list();
            let run = model.predict_record(&wrong, &mut scratch, &mut y);
            if takes && matches!(wrong[field], Value::Number(_)) {
                assert!(run.is_ok());
            } else {
                let field = field as u32;
                assert_eq!(run.unwrap_err(), RunError::Value { field }, "{records:#?}");
                named += 1;
            }
            let fields = values.len() as u32;
            assert_eq!(
                model.predict_record(&values[1..], &mut scratch, &mut y),
                Err(RunError::Fields {
                    expected: fields,
                    found: fields - 1
                })
            );
            assert!(matches!(
                model.predict_record(values, &mut scratch[1..], &mut y),
                Err(RunError::Scratch { .. })
            ));
            assert!(matches!(
                model.predict(&vec![0.0; model.inputs()], &mut scratch, &mut y),
                Err(RunError::Record)
            ));
        });
    }
    assert!(named > 100, "{named}");
}
