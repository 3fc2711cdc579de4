//! Rows of embedding tables: of a code, and of the codes of a list.

use super::{Coder, Feature, Rows, Table, coded, list, record};
use crate::blob::{FeatureRecord, Makes};
use crate::input::InputCounts;
use crate::number::Element;
use crate::precision::Precision;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A coder and the table whose rows its codes name: `R` rows of `D` elements. `H` says how the field's
/// codes become elements; [`Embed`] and [`Bag`] name the usual ways.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Lookup<C, const R: usize, const D: usize, P: Precision, H> {
    /// From ids or texts to codes.
    pub coder: C,
    /// The table.
    pub rows: P::Rows<R, D>,
    /// How codes become elements.
    pub how: PhantomData<H>,
}

/// The row of one code: an embedding.
pub type Embed<C, const R: usize, const D: usize, P> = Lookup<C, R, D, P, Row>;

/// The rows of a list of at most `MAX` items, pooled by `W`: [`Sum`], [`Mean`] or [`Max`]. Of a longer
/// list the first `MAX` items count, or with [`Last`]`<W>` the last. An empty list makes zeros.
pub type Bag<C, const MAX: usize, W, const R: usize, const D: usize, P> =
    Lookup<C, R, D, P, Pooled<MAX, W>>;

/// How the codes of a field become elements.
pub trait How: 'static {
    /// What the caller has.
    type Raw<'a, C: Coder>: Copy;
    /// What is made, as the record has it.
    const MAKES: Makes;
    /// The most items of a list; `None` for a field that is none.
    const ITEMS: Option<usize>;
    /// The flags of the record.
    const FLAGS: u8 = 0;
    /// Writes the elements.
    fn read<A: Element, C: Coder, T: Rows<A>>(
        coder: &C,
        rows: &T,
        raw: Self::Raw<'_, C>,
        y: &mut [A],
    );
}

/// The row of one code.
#[derive(Debug)]
pub enum Row {}

impl How for Row {
    type Raw<'a, C: Coder> = C::Raw<'a>;
    const MAKES: Makes = Makes::Row;
    const ITEMS: Option<usize> = None;
    fn read<A: Element, C: Coder, T: Rows<A>>(coder: &C, rows: &T, raw: C::Raw<'_>, y: &mut [A]) {
        rows.row(coder.code_field(raw), y);
    }
}

/// The rows of a list of at most `MAX` items, pooled by `W`.
#[derive(Debug)]
pub struct Pooled<const MAX: usize, W>(PhantomData<W>);

/// The rows of a list of at most `MAX` items side by side, and zeros for the items that are not there.
/// With [`Last`] the list's last items count.
#[derive(Debug)]
pub struct SideBySide<const MAX: usize, W = Sum>(PhantomData<W>);

/// How rows become one.
pub trait Pool: 'static {
    /// What is made, as the record has it.
    const MAKES: Makes;
    /// Whether the last items of a long list count, not the first.
    const LAST: bool = false;
}

/// The sum of the rows.
#[derive(Debug)]
pub enum Sum {}
/// The mean of the rows that there are.
#[derive(Debug)]
pub enum Mean {}
/// The largest of each element.
#[derive(Debug)]
pub enum Max {}
/// Of a list that is too long the last items count.
#[derive(Debug)]
pub struct Last<W>(PhantomData<W>);

impl Pool for Sum {
    const MAKES: Makes = Makes::Sum;
}
impl Pool for Mean {
    const MAKES: Makes = Makes::Mean;
}
impl Pool for Max {
    const MAKES: Makes = Makes::Max;
}
impl<W: Pool> Pool for Last<W> {
    const MAKES: Makes = W::MAKES;
    const LAST: bool = true;
}

impl<const MAX: usize, W: Pool> How for Pooled<MAX, W> {
    type Raw<'a, C: Coder> = &'a [C::Item<'a>];
    const MAKES: Makes = W::MAKES;
    const ITEMS: Option<usize> = Some(MAX);
    const FLAGS: u8 = flags(W::LAST);
    fn read<A: Element, C: Coder, T: Rows<A>>(
        coder: &C,
        rows: &T,
        raw: &[C::Item<'_>],
        y: &mut [A],
    ) {
        let items = cut(raw, MAX, W::LAST).iter();
        pool(rows, W::MAKES, items.map(|item| coder.code(*item)), y);
    }
}

impl<const MAX: usize, W: Pool> How for SideBySide<MAX, W> {
    type Raw<'a, C: Coder> = &'a [C::Item<'a>];
    const MAKES: Makes = Makes::Rows;
    const ITEMS: Option<usize> = Some(MAX);
    const FLAGS: u8 = flags(W::LAST);
    fn read<A: Element, C: Coder, T: Rows<A>>(
        coder: &C,
        rows: &T,
        raw: &[C::Item<'_>],
        y: &mut [A],
    ) {
        let width = y.len().checked_div(MAX).unwrap_or(0);
        let items = cut(raw, MAX, W::LAST).iter();
        side_by_side(rows, width, items.map(|item| coder.code(*item)), y);
    }
}

const fn flags(last: bool) -> u8 {
    if last { FeatureRecord::KEEP_LAST } else { 0 }
}

/// The items of a list that count.
pub(crate) fn cut<T>(items: &[T], max: usize, last: bool) -> &[T] {
    let over = items.len().saturating_sub(max);
    let counted = if last {
        items.get(over..)
    } else {
        items.get(..items.len() - over)
    };
    counted.unwrap_or(&[])
}

/// Writes the rows of codes side by side, and zeros behind them.
pub(crate) fn side_by_side<A: Element, T: Rows<A>>(
    rows: &T,
    width: usize,
    codes: impl Iterator<Item = u32>,
    y: &mut [A],
) {
    y.fill(A::default());
    let mut rest = y;
    for code in codes {
        let Some((row, more)) = core::mem::take(&mut rest).split_at_mut_checked(width) else {
            return;
        };
        rows.row(code, row);
        rest = more;
    }
}

/// Pools the rows of codes, in their order.
pub(crate) fn pool<A: Element, T: Rows<A>>(
    rows: &T,
    makes: Makes,
    codes: impl Iterator<Item = u32>,
    y: &mut [A],
) {
    let largest = makes == Makes::Max;
    y.fill(if largest { T::lowest() } else { A::default() });
    let mut n = 0u32;
    for code in codes {
        let known = if largest {
            rows.raise(code, y)
        } else {
            rows.add(code, y)
        };
        n = n.wrapping_add(u32::from(known));
    }
    if n == 0 {
        y.fill(A::default());
    } else {
        rows.finish(makes, n, y);
    }
}

impl<C, const R: usize, const D: usize, P: Precision, H> core::fmt::Debug
    for Lookup<C, R, D, P, H>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Lookup<{R}, {D}>")
    }
}

impl<C: Coder, const R: usize, const D: usize, P: Precision, H: How> Feature
    for Lookup<C, R, D, P, H>
{
    type Act = P::Act;
    type Raw<'a> = H::Raw<'a, C>;
    const WIDTH: usize = Self::width::<H>();
    const RECORD: FeatureRecord = Self::record::<H>();
    fn encode(&self, raw: Self::Raw<'_>, y: &mut [P::Act]) -> InputCounts {
        H::read(&self.coder, &self.rows.cells(), raw, y);
        InputCounts::default()
    }
}

impl<C: Coder, const R: usize, const D: usize, P: Precision, H> Lookup<C, R, D, P, H> {
    /// How many elements a field makes that is read as `K` says.
    const fn width<K: How>() -> usize {
        match (K::MAKES, K::ITEMS) {
            (Makes::Rows, Some(items)) => D * items,
            _ => D,
        }
    }

    /// The record of a field that is read as `K` says.
    const fn record<K: How>() -> FeatureRecord {
        let precision = <P::Rows<R, D> as Table<P::Act>>::PRECISION;
        let sizes = (C::ENTRIES, R, C::TEXT);
        let record = record(coded::<C>(), K::MAKES, precision, Self::width::<K>(), sizes);
        match K::ITEMS {
            Some(items) => list(record, items, K::FLAGS),
            None => record,
        }
    }
}

/// A feature whose coder and rows another field may read too, as `K` says.
pub trait ReadAs<K: How> {
    /// The activations.
    type Act: Element;
    /// What the caller has.
    type Raw<'a>: Copy;
    /// How many elements such a field makes.
    const WIDTH: usize;
    /// The record of such a field, apart from its place.
    const RECORD: FeatureRecord;
    /// Writes its elements.
    fn read_as(&self, raw: Self::Raw<'_>, y: &mut [Self::Act]);
}

impl<C: Coder, const R: usize, const D: usize, P: Precision, H, K: How> ReadAs<K>
    for Lookup<C, R, D, P, H>
{
    type Act = P::Act;
    type Raw<'a> = K::Raw<'a, C>;
    const WIDTH: usize = Self::width::<K>();
    const RECORD: FeatureRecord = Self::record::<K>();
    fn read_as(&self, raw: K::Raw<'_, C>, y: &mut [P::Act]) {
        K::read(&self.coder, &self.rows.cells(), raw, y);
    }
}
