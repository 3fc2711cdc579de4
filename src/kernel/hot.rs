//! The input of a layer whose last columns are one-hot.

/// The input of a layer of `total` columns: a number for each of the first ones, and codes, each of
/// which names one of the others. A named column counts as if it had the activation 1, the others as
/// if they had 0.
#[derive(Clone, Copy, Debug)]
pub struct HotInput<'x, A> {
    /// How many columns the layer has.
    pub total: usize,
    /// The activations of the first columns.
    pub numbers: &'x [A],
    /// The codes. See [`Element::column`](crate::number::Element::column).
    pub codes: &'x [A],
    /// The activation of a named column in integer models.
    pub one: i16,
}

impl<'x, A> HotInput<'x, A> {
    /// The input `x`, of which the first `dense` elements are numbers and the others codes. `one` is
    /// the word that a blob stores. `None` where there are fewer numbers, or more than columns.
    pub fn new(total: usize, dense: usize, one: u32, x: &'x [A]) -> Option<Self> {
        let (numbers, codes) = x.split_at_checked(dense)?;
        (dense <= total).then_some(Self {
            total,
            numbers,
            codes,
            one: one_of(one),
        })
    }

    /// `total`, as the walks over panels ask for it.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.total
    }
}

/// The activation of a hot column, from the exponent that a blob stores.
pub(crate) fn one_of(exponent: u32) -> i16 {
    // Masked, since a hostile blob holds any number.
    1i16.wrapping_shl(exponent)
}
