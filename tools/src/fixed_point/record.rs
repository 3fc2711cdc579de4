//! A record of raw fields as the int16 vector that the trunk reads, by the written rules.

use crate::front::{Feature, Front, Given, Makes, Number, Pool, RecordError, Transform, Value};
use crate::quantize::Quantized;

use super::one_feature;

/// The vector of a record.
///
/// # Errors
///
/// A record that the front end does not take.
///
/// # Panics
///
/// If `quantized` was not made of a graph with this front end.
pub fn quantize_record(
    front: &Front,
    quantized: &Quantized,
    record: &[Value],
) -> Result<Vec<i16>, RecordError> {
    // It knows what a record may be, and says what is wrong with this one.
    front.vector(record)?;
    let mut vector: Vec<i16> = Vec::with_capacity(front.width());
    for (f, feature) in front.features.iter().enumerate() {
        let value = &record[feature.field];
        match &feature.makes {
            Makes::Number(n) => {
                vector.push(
                    match (quantized.ints.get(f), front.fields[feature.field].given) {
                        (Some(Some(scale)), Given::I32) => {
                            let x = match value {
                                Value::Int(x) => i64::from(*x),
                                _ => n.missing as i64,
                            };
                            let x = (x - i64::from(scale.offset)).clamp(-65535, 65535);
                            let half = 1i64 << (scale.shift - 1);
                            let y = (x * i64::from(scale.mult) + half) >> scale.shift;
                            y.clamp(-32768, 32767) as i16
                        }
                        _ => one_feature(number(n, value), &quantized.input[vector.len()]),
                    },
                );
            }
            Makes::Slot { count, .. } => {
                let codes = front.codes(feature, value).unwrap_or_default();
                let mut columns = vec![0i16; feature.width(front)];
                for code in codes {
                    if let Some(column) = columns.get_mut(code as usize) {
                        let before = if *count { *column } else { 0 };
                        *column = before.saturating_add(1 << quantized.one);
                    }
                }
                vector.extend(columns);
            }
            Makes::Rows { table, pool } => {
                let codes = front.codes(feature, value).unwrap_or_default();
                vector.extend(rows(front, quantized, feature, *table, *pool, &codes));
            }
        }
    }
    Ok(vector)
}

/// The number that is scaled, in the f32 of the rules.
fn number(n: &Number, value: &Value) -> f32 {
    let x = match value {
        Value::Number(x) if !x.is_nan() => *x,
        _ => n.missing,
    };
    let x = match n.clip {
        Some((low, _)) if x < low => low,
        Some((_, high)) if x > high => high,
        _ => x,
    };
    match n.transform {
        Transform::Identity => x,
        Transform::Log1p => libm::log1pf(x),
        Transform::Log10 { threshold, .. } if x > threshold => libm::log10f(x),
        Transform::Log10 { below, .. } => below,
    }
}

/// Rows of int8 as activations.
fn rows(
    front: &Front,
    quantized: &Quantized,
    feature: &Feature,
    table: usize,
    pool: Pool,
    codes: &[u32],
) -> Vec<i16> {
    let q = &quantized.tables[table];
    let each = front.tables[table].width;
    let row = |code: u32| -> Option<&[i8]> {
        let start = (code as usize).checked_mul(each)?;
        q.rows.get(start..start.checked_add(each)?)
    };
    let width = feature.width(front);
    if matches!(pool, Pool::One | Pool::Concat) {
        let mut side: Vec<i16> = Vec::with_capacity(width);
        for code in codes {
            match row(*code) {
                Some(row) => side.extend(row.iter().map(|v| i16::from(*v) << q.shift)),
                None => side.extend(std::iter::repeat_n(0, each)),
            }
        }
        side.resize(width, 0);
        return side;
    }
    let found: Vec<&[i8]> = codes.iter().filter_map(|c| row(*c)).collect();
    let n = found.len() as i64;
    (0..width)
        .map(|i| {
            let column = found.iter().map(|row| i64::from(row[i]));
            let v = match pool {
                _ if n == 0 => 0,
                Pool::Mean => {
                    let factor = ((1i64 << (16 + q.shift)) + n / 2) / n;
                    (column.sum::<i64>() * factor + (1 << 15)) >> 16
                }
                Pool::Max => column.max().unwrap_or(0) << q.shift,
                _ => column.sum::<i64>() << q.shift,
            };
            v.clamp(-32768, 32767) as i16
        })
        .collect()
}
