//! The integers of a front end: int8 rows with one scale per table, and whole numbers without a float.
//!
//! A table's rows are int8 and are shifted left by 0 to 7 bits as they are read, so that their step is
//! fine enough beside the steps of the other columns: a first layer has one scale per row of its
//! weights for all of them. The step is the columns' own, and the first layers take it in as they take
//! in the steps of numbers: there is no multiplication when a row is read.

use super::calibrate::Fixed;
use super::proof::{ANY, Span};
use crate::blob::features::{IntScale, QTable, int8_table};
use crate::eval::statistics::Stats;
use crate::front::{Front, Given, Makes, Pool};
use crate::graph::Graph;
use mmoe::kernel::InputScale;

/// The largest shift of a table.
pub(super) const MOST: u32 = 7;

/// Values beyond those that rows showed get this much room in a sum of rows.
const ROOM: f64 = 1.25;

/// The tables of a graph's front end with this shift, or a smaller one where sums of their rows would
/// pass 16 bits; none where there is no front end.
pub(super) fn tables(graph: &Graph, seen: &Stats, shift: u32) -> Vec<QTable> {
    let Some(front) = &graph.front else {
        return Vec::new();
    };
    let places = front.places();
    let table = |(t, table): (usize, &crate::front::Table)| {
        let (rows, scale) = int8_table(&table.rows);
        let scale = f64::from(scale);
        let mut shift = shift.min(MOST);
        for (feature, place) in front.features.iter().zip(&places) {
            let Makes::Rows {
                table,
                pool: Pool::Sum,
            } = feature.makes
            else {
                continue;
            };
            if table != t || scale == 0.0 {
                continue;
            }
            let reach = place.clone().fold(0.0f64, |m, j| {
                let far = seen.min[j].abs().max(seen.max[j].abs());
                if far.is_finite() { m.max(far) } else { m }
            });
            let room = ANY.1 / (ROOM * reach / scale).max(1.0);
            while shift > 0 && f64::from(1u32 << shift) > room {
                shift -= 1;
            }
        }
        QTable { rows, scale, shift }
    };
    front.tables.iter().enumerate().map(table).collect()
}

/// The columns of the vector whose steps the tables fix.
pub(super) fn fixed(graph: &Graph, tables: &[QTable]) -> Vec<Option<Fixed>> {
    let Some(front) = &graph.front else {
        return vec![None; graph.width(0)];
    };
    let mut columns = Vec::with_capacity(graph.width(0));
    for feature in &front.features {
        let width = feature.width(front);
        let Makes::Rows { table, pool } = feature.makes else {
            columns.extend(vec![None; width]);
            continue;
        };
        let (held, q) = (&front.tables[table], &tables[table]);
        let steps = f64::from(1u32 << q.shift);
        let most = front.fields[feature.field].list.map_or(1, |l| l.max) as f64;
        columns.extend((0..width).map(|i| {
            let column = q.rows.iter().skip(i % held.width).step_by(held.width);
            // A code without a row makes zeros.
            let (low, high) = column.fold((0.0f64, 0.0f64), |(low, high), v| {
                (low.min(f64::from(*v)), high.max(f64::from(*v)))
            });
            let times = if pool == Pool::Sum { most } else { 1.0 };
            // A mean is rounded, to either side.
            let slack = if pool == Pool::Mean { 1.0 } else { 0.0 };
            let at = |v: f64| (v * times * steps).clamp(ANY.0, ANY.1);
            Some(Fixed {
                step: if q.scale > 0.0 {
                    q.scale / steps
                } else {
                    1.0 / ANY.1
                },
                span: (at(low) - slack, at(high) + slack),
            })
        }));
    }
    columns
}

/// The integers of each feature that is a whole number, from the scale that an f32 would have.
pub(super) fn ints(front: Option<&Front>, input: &[InputScale]) -> Vec<Option<IntScale>> {
    let Some(front) = front else {
        return Vec::new();
    };
    let features = front.features.iter().zip(front.places());
    features
        .map(|(feature, place)| {
            let whole = front.fields[feature.field].given == Given::I32
                && matches!(feature.makes, Makes::Number(_));
            whole.then(|| int_scale(input[place.start]))
        })
        .collect()
}

/// The nearest multiplication and shift: 16 bits of factor, and a product that 32 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "bounded before")]
pub(super) fn int_scale(scale: InputScale) -> IntScale {
    /// With more, rounding could take the product of 65535 and 32767 past 31 bits.
    const SHIFT: u32 = 17;
    let wanted = f64::from(scale.scale);
    let mult = |shift: u32| (wanted * f64::from(1u32 << shift)).round();
    let shift = (1..=SHIFT).rev().find(|s| mult(*s) <= ANY.1).unwrap_or(1);
    IntScale {
        offset: f64::from(scale.offset).round().clamp(-2e9, 2e9) as i32,
        mult: mult(shift).clamp(1.0, ANY.1) as i16,
        shift: shift as u8,
    }
}

/// What a whole number's activation spans, for numbers from `low` to `high`.
pub(super) fn int_span(scale: IntScale, low: f64, high: f64) -> Span {
    let at = |x: f64| {
        let x = (x - f64::from(scale.offset)).clamp(-65535.0, 65535.0);
        (x * f64::from(scale.mult) / f64::from(1u32 << scale.shift)).clamp(ANY.0, ANY.1)
    };
    ((at(low) - 1.0).max(ANY.0), (at(high) + 1.0).min(ANY.1))
}
