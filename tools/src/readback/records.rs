//! Records to try a blob on: known and unknown values, missing ones, lists of every length.

use crate::front::{By, Coder, Field, Front, Given, Makes, Transform, Value};
use crate::graph::Input;
use crate::random::Random;

/// `count` records, each with a name. `inputs` are the graph's, for what is known of numbers.
pub(super) fn records(front: &Front, inputs: &[Input], count: usize) -> Vec<(String, Vec<Value>)> {
    let mut random = Random::new(0x6d6d_6f65_0000_0003);
    let mut made = Vec::new();
    for n in 0..count {
        let values = front.fields.iter().enumerate().map(|(f, field)| {
            // The first records have nothing where nothing may be, and empty lists.
            let missing = front.may_be_missing(f);
            if missing && (n == 0 || random.within(0.0, 8.0) < 1.0) && field.list.is_none() {
                return Value::Missing;
            }
            value(front, inputs, f, field, n, &mut random)
        });
        made.push((format!("record {n}"), values.collect()));
    }
    made
}

fn value(
    front: &Front,
    inputs: &[Input],
    f: usize,
    field: &Field,
    n: usize,
    random: &mut Random,
) -> Value {
    let feature = front.features.iter().position(|feature| feature.field == f);
    let makes = feature.map(|i| &front.features[i].makes);
    let coder = feature.and_then(|i| front.features[i].coder(front));
    if let Some(list) = field.list {
        let length = match n {
            0 => 0,
            1 => list.max + 1,
            _ => random.within(0.0, list.max as f64 + 1.0) as usize,
        };
        return match field.given {
            Given::Text => Value::Texts((0..length).map(|_| text(coder, random)).collect()),
            _ => Value::Ids((0..length).map(|_| id(coder, random)).collect()),
        };
    }
    match field.given {
        Given::Text => Value::Text(text(coder, random)),
        Given::Id => Value::Id(id(coder, random)),
        Given::F32 => {
            Value::Number(number(makes, feature.and_then(|i| inputs.get(i)), random) as f32)
        }
        Given::I32 => {
            Value::Int(number(makes, feature.and_then(|i| inputs.get(i)), random).round() as i32)
        }
    }
}

/// A number where numbers of the field are, before its logarithm.
fn number(makes: Option<&Makes>, input: Option<&Input>, random: &mut Random) -> f64 {
    let range = input.and_then(|i| i.range(super::DEVIATIONS));
    let (low, high) = match makes {
        Some(Makes::Number(number)) => {
            let (low, high) = range.unwrap_or((-2.0, 2.0));
            match number.transform {
                Transform::Identity => (low, high),
                Transform::Log1p => (low.exp_m1().max(0.0), high.exp_m1()),
                Transform::Log10 { .. } => (0.0, 10f64.powf(high)),
            }
        }
        Some(Makes::Slot { coder, .. }) => ends(coder),
        _ => (-100.0, 100.0),
    };
    random.within(low, high)
}

/// A little beyond the bounds of buckets.
fn ends(coder: &Coder) -> (f64, f64) {
    let all: Vec<f64> = match &coder.by {
        By::Buckets(crate::front::Bounds::F32(b)) => b.iter().map(|b| f64::from(*b)).collect(),
        By::Buckets(crate::front::Bounds::I32(b)) => b.iter().map(|b| f64::from(*b)).collect(),
        _ => Vec::new(),
    };
    match (all.first(), all.last()) {
        (Some(first), Some(last)) => {
            let room = 1.0 + 0.25 * (last - first);
            (first - room, last + room)
        }
        _ => (-100.0, 100.0),
    }
}

fn pick<T: Clone>(of: &[T], random: &mut Random) -> Option<T> {
    of.get(random.within(0.0, of.len() as f64) as usize)
        .cloned()
}

/// An id that the coder knows, or once in a while another.
fn id(coder: Option<&Coder>, random: &mut Random) -> u32 {
    let any = random.within(0.0, f64::from(u32::MAX)) as u32;
    if random.within(0.0, 16.0) < 1.0 {
        return any;
    }
    match coder.map(|c| &c.by) {
        Some(By::Direct { entries, .. }) => any % (*entries).max(1),
        Some(By::Sorted { keys, .. }) => pick(keys, random).unwrap_or(any),
        _ => any,
    }
}

fn text(coder: Option<&Coder>, random: &mut Random) -> String {
    match coder.map(|c| &c.by) {
        Some(By::Tokens { tokens, .. } | By::Named { tokens, .. }) if !tokens.is_empty() => {
            let known = pick(tokens, random).unwrap_or_default();
            if random.within(0.0, 16.0) < 1.0 {
                format!("{known} ")
            } else {
                known
            }
        }
        _ => format!("{:x}", random_bits(random)),
    }
}

fn random_bits(random: &mut Random) -> u32 {
    random.within(0.0, f64::from(u32::MAX)) as u32
}
