//! The columns of an input that are not zero.

/// A column and its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(4))]
pub struct Active<A> {
    /// Which column.
    pub column: u16,
    /// Its value, zero or not.
    pub value: A,
}

/// Columns in ascending order, each once, of an input that is zero in all others.
///
/// Only [`ActiveColumns::new`] makes one: a kernel may rely on every column being below the width.
#[derive(Clone, Copy, Debug)]
pub struct ActiveColumns<'x, A> {
    list: &'x [Active<A>],
    width: usize,
}

impl<'x, A> ActiveColumns<'x, A> {
    /// `None` where the columns do not ascend or reach beyond an input of this width.
    pub fn new(list: &'x [Active<A>], width: usize) -> Option<Self> {
        let mut next = 0;
        for active in list {
            if usize::from(active.column) < next {
                return None;
            }
            next = usize::from(active.column) + 1;
        }
        (next <= width).then_some(Self { list, width })
    }

    /// The columns, where a layer of so many inputs has all of them.
    #[inline(always)]
    pub fn within(self, total: usize) -> Option<&'x [Active<A>]> {
        (self.width <= total).then_some(self.list)
    }
}
