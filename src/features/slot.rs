//! Codes as elements of the vector, for layers that read one-hot columns by their number.

use super::{Coder, Feature, coded, cut, list, record};
use crate::blob::{FeatureRecord, Makes};
use crate::input::InputCounts;
use crate::number::Element;
use crate::precision::Precision;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A code as an element: the number of the one-hot column that is 1. Only first layers that know such
/// columns may read it.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Slot<C, P> {
    /// The column of code 0.
    pub base: u32,
    /// From the field to a code.
    pub coder: C,
    /// Names the precision.
    pub precision: PhantomData<P>,
}

/// The codes of a list of at most `MAX` items as elements, one an item: multi-hot columns. An element
/// without an item, and with `W` = [`Once`] also an item whose code an earlier one has, is no column.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Slots<C, const MAX: usize, P, W = Once> {
    /// The column of code 0.
    pub base: u32,
    /// From an item to a code.
    pub coder: C,
    /// Names the precision.
    pub precision: PhantomData<P>,
    /// Whether a code counts once.
    pub repeats: PhantomData<W>,
}

/// Whether a code counts as often as a list has it.
pub trait Repeats: 'static {
    /// Whether each item counts.
    const EACH: bool;
}
/// A code counts once, however many items have it.
#[derive(Debug)]
pub enum Once {}
/// Each item counts.
#[derive(Debug)]
pub enum Repeated {}
impl Repeats for Once {
    const EACH: bool = false;
}
impl Repeats for Repeated {
    const EACH: bool = true;
}

impl<C, P> core::fmt::Debug for Slot<C, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slot({})", self.base)
    }
}
impl<C, const MAX: usize, P, W> core::fmt::Debug for Slots<C, MAX, P, W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Slots<{MAX}>({})", self.base)
    }
}

impl<C: Coder, P: Precision> Feature for Slot<C, P> {
    type Act = P::Act;
    type Raw<'a> = C::Raw<'a>;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = {
        let sizes = (C::ENTRIES, 0, C::TEXT);
        record(coded::<C>(), Makes::Slot, P::Act::PRECISION, 1, sizes)
    };
    fn encode(&self, raw: C::Raw<'_>, y: &mut [P::Act]) -> InputCounts {
        let code = self.coder.code_field(raw);
        slots(self.base, true, core::iter::once(code), y);
        InputCounts::default()
    }
}

impl<C: Coder, const MAX: usize, P: Precision, W: Repeats> Feature for Slots<C, MAX, P, W> {
    type Act = P::Act;
    type Raw<'a> = &'a [C::Item<'a>];
    const WIDTH: usize = MAX;
    const RECORD: FeatureRecord = {
        let sizes = (C::ENTRIES, 0, C::TEXT);
        let flags = if W::EACH { FeatureRecord::REPEATS } else { 0 };
        let record = record(coded::<C>(), Makes::Slot, P::Act::PRECISION, MAX, sizes);
        list(record, MAX, flags)
    };
    fn encode(&self, raw: &[C::Item<'_>], y: &mut [P::Act]) -> InputCounts {
        let items = cut(raw, MAX, false).iter();
        let codes = items.map(|item| self.coder.code(*item));
        slots(self.base, W::EACH, codes, y);
        InputCounts::default()
    }
}

/// Writes the columns of codes; where there is none, an activation that is no column.
pub(crate) fn slots<A: Element>(
    base: u32,
    each: bool,
    codes: impl Iterator<Item = u32>,
    y: &mut [A],
) {
    y.fill(A::from_code(u32::MAX));
    for (i, code) in codes.enumerate() {
        let column = A::from_code(base.saturating_add(code));
        let Some((earlier, rest)) = y.split_at_mut_checked(i) else {
            return;
        };
        if let Some(y) = rest.first_mut()
            && (each || earlier.iter().all(|e| A::word(*e) != A::word(column)))
        {
            *y = column;
        }
    }
}
