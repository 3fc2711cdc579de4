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
    /// Panels of 4 rows, then single rows: int8, as `Panels` and as `Quad`. (`Pairs` has the same
    /// panels with an order of its own inside, see [`pairs_index`].)
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

/// Position of the weight of row `r` and column `c` in a layer packed as `Pairs`.
///
/// In a panel of four rows two columns stand side by side: rows 0 and 1 of the first column, rows 0
/// and 1 of the second, rows 2 and 3 of the first, rows 2 and 3 of the second. A last odd column
/// stands alone. Read as a little-endian int16, two such bytes are `256·q + p` with p the weight of
/// the even row and q that of the odd one: where p is negative, the byte of q is stored one less
/// ([`pairs_high`]).
///
/// ```
/// use mmoe::kernel::pairs_index;
/// assert_eq!(pairs_index(4, 3, 2, 0), 4);     // row 2 of the first of two columns
/// assert_eq!(pairs_index(4, 3, 2, 2), 10);    // row 2 of the odd column
/// ```
pub const fn pairs_index(rows: usize, cols: usize, r: usize, c: usize) -> usize {
    let (first, height) = Order::Fours.panel(rows, r);
    let r = r - first;
    if height == 1 {
        return first * cols + c;
    }
    let block = first * cols + c / 2 * 8;
    if c.is_multiple_of(2) && c + 1 == cols {
        block + r
    } else {
        block + r / 2 * 4 + c % 2 * 2 + r % 2
    }
}

/// The byte that stands for the weight `q` of an odd row of a panel, beside the weight `p` of the
/// even row before it.
pub const fn pairs_high(p: i8, q: i8) -> i8 {
    q.wrapping_sub((p < 0) as i8)
}
