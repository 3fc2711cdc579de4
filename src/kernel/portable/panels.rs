//! The walk over the panels of a dense layer, shared by all of its kernels.

/// Does all panels of `$rows` rows that `$y` has room for, and leaves what remains of each slice in its variable.
///
/// In `$body`, `$w` is the weights of one panel, each `$side` its array of `$rows` records, and `$out` the array of its
/// outputs. Returns from the function when a slice is too short.
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
pub(super) use panels;

/// Defines `$name(w, x, acc)`, which gives `acc + W·x` of one panel, column after column.
///
/// `$step!(acc, w, x)` adds one product; the steps are written out, since a loop over the rows of a column is not
/// unrolled at `opt-level = "s"`.
macro_rules! panel {
    ($name:ident, $weight:ty, $input:ty, $acc:ty, $step:ident, $rows:literal, $($r:literal)*) => {
        #[inline(always)]
        fn $name(w: &[$weight], x: &[$input], mut acc: [$acc; $rows]) -> [$acc; $rows] {
            let (w, _) = w.as_chunks::<$rows>();
            for (w, &x) in w.iter().zip(x) {
                $( acc[$r] = $step(acc[$r], w[$r], x); )*
            }
            acc
        }
    };
}
pub(super) use panel;

/// Turns each accumulator of a panel into its output.
#[inline(always)]
pub(super) fn finish<A: Copy, R, T, const N: usize>(acc: [A; N], rows: &[R; N], out: &mut [T; N], f: impl Fn(A, &R) -> T) {
    for ((out, acc), row) in out.iter_mut().zip(acc).zip(rows) {
        *out = f(acc, row);
    }
}
