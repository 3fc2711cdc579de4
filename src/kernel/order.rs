//! The order in which the weights of a dense layer are stored.
//!
//! The rows of a layer lie in panels. Inside a panel the weights lie column by column, so that those
//! which meet the same input are neighbours: a kernel loads an input once for all rows of a panel, and
//! reads the weights from the first to the last. The sums of a panel stay in registers, which is why
//! panels have no more rows than a core has registers for. Rows that fill no panel follow as single
//! rows. The number of weights stays rows × columns.

/// How the rows of a layer are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Panels of 8 rows, then one of 4 if 4 or more rows are left, then single rows: f32, and int8
    /// with f32 scales.
    Eights,
    /// Panels of 4 rows, then single rows: int8, both as `Panels` and as `Quad`.
    Fours,
    /// Panels of 2 rows, then single rows: int16.
    Pairs,
    /// Row after row: how frameworks store them.
    Rows,
}

impl Order {
    /// First row and height of the panel that row `r` of `rows` lies in.
    const fn panel(self, rows: usize, r: usize) -> (usize, usize) {
        let height = match self {
            Order::Eights => 8,
            Order::Fours => 4,
            Order::Pairs => 2,
            Order::Rows => 1,
        };
        let full = rows / height * height;
        if r < full {
            (r / height * height, height)
        } else if height == 8 && rows - full >= 4 && r < full + 4 {
            (full, 4)
        } else {
            (r, 1)
        }
    }
}

/// Returns the position of the weight of row `r` and column `c` in the stored order of a layer of
/// `rows` rows and `cols` columns.
///
/// ```
/// use mmoe::kernel::{Order, panel_index};
/// assert_eq!(panel_index(Order::Fours, 5, 3, 2, 1), 6);     // column 1, row 2 of a panel of 4
/// assert_eq!(panel_index(Order::Fours, 5, 3, 4, 1), 13);    // a single row
/// ```
pub const fn panel_index(order: Order, rows: usize, cols: usize, r: usize, c: usize) -> usize {
    let (first, height) = order.panel(rows, r);
    first * cols + c * height + (r - first)
}

/// Returns `true` if the weights of row `r` of `rows` are stored with 128 added in the `Quad` packing,
/// as those in the three lower bytes of each word of four rows are.
pub const fn quad_biased(rows: usize, r: usize) -> bool {
    let (first, height) = Order::Fours.panel(rows, r);
    height == 4 && r - first < 3
}
