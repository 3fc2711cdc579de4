//! The walks over the panels of a dense layer, shared by all of its kernels.

/// Does all panels of `$rows` rows that `$y` has room for, and leaves what remains of each slice in
/// its variable.
///
/// In `$body`, `$w` is the weights of one panel, each `$side` its array of `$rows` records, and
/// `$out` the array of its outputs. Returns from the function when a slice is too short.
macro_rules! panels {
    ($rows:literal, $w:ident, $x:ident, $y:ident, [$($side:ident)*], $out:ident => $body:expr) => {
        let (outs, $y) = $y.as_chunks_mut::<$rows>();
        for $out in outs {
            let Some((panel, rest)) = $w.split_at_checked($x.len().wrapping_mul($rows)) else {
                return;
            };
            $w = rest;
            let $w = panel;
            $(
                let Some((head, rest)) = $side.split_first_chunk::<$rows>() else {
                    return;
                };
                $side = rest;
                let $side = head;
            )*
            $body;
        }
    };
}
pub(in crate::kernel) use panels;

/// Does the panels of `$rows` rows: `$w` is what `x` meets of a panel's columns, `$acc` its
/// accumulators.
macro_rules! parts {
    ($rows:literal, $weights:ident, $total:ident, $from:ident, $x:ident, $accs:ident, $w:ident, $acc:ident => $body:expr) => {
        let (panels, $accs) = $accs.as_chunks_mut::<$rows>();
        for $acc in panels {
            let Some((panel, rest)) = $weights.split_at_checked($total.wrapping_mul($rows)) else {
                return;
            };
            $weights = rest;
            let start = $from.wrapping_mul($rows);
            let Some($w) = panel.get(start..start.wrapping_add($x.len().wrapping_mul($rows)))
            else {
                return;
            };
            $body;
        }
    };
}
pub(in crate::kernel) use parts;

/// Defines `$name(w, x, acc)`, which gives `acc + W·x` of one panel, column after column.
///
/// `$step(acc, w, x)` adds one product. The steps of two columns are written out, since a loop over
/// the rows of a column is not unrolled at `opt-level = "s"`, and since the loop itself costs
/// instructions. `$rolled`: whether the compiler must leave it at two.
macro_rules! panel {
    ($name:ident, $weight:ty, $step:ident, $rolled:literal, $rows:literal, $($r:literal)*) => {
        #[inline(always)]
        pub(in crate::kernel) fn $name(w: &[$weight], x: &[f32], mut acc: [f32; $rows]) -> [f32; $rows] {
            let (columns, _) = w.as_chunks::<$rows>();
            let (columns, last_column) = columns.as_chunks::<2>();
            let (x, last) = x.as_chunks::<2>();
            for ([v, w], &[x, y]) in columns.iter().zip(x) {
                if $rolled {
                    do_not_unroll();
                }
                $( acc[$r] = $step(acc[$r], v[$r], x); )*
                $( acc[$r] = $step(acc[$r], w[$r], y); )*
            }
            if let ([w], &[x]) = (last_column, last) {
                $( acc[$r] = $step(acc[$r], w[$r], x); )*
            }
            acc
        }
    };
}
pub(super) use panel;
