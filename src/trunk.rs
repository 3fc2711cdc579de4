//! Trunks: from the input to the mixtures that the towers read.

use crate::blob::Check;
use crate::bytes::{Buffer, InPlace};
use crate::layer::{Layer, max};
use crate::level::{Choice, Pair, Source, Streams, TypedLevel, walk};
use crate::list::{self, Place};
use crate::math::Math;
use crate::number::Element;
use core::marker::PhantomData;
use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout, TryFromBytes};

/// The mixtures of a typed level and their rounding to activations.
pub trait Mixtures<A: Element>: FromZeros {
    /// One mixture as activations.
    type H;
    /// All of them.
    type Settled: FromZeros;
    /// Rounds all.
    fn settle(&self, to: &mut Self::Settled);
    /// Rounds mixture `k`.
    fn one(&self, k: usize, h: &mut Self::H);
}

impl<A: Element, const H: usize, const K: usize> Mixtures<A> for [[A::MixtureSum; H]; K] {
    type H = [A; H];
    type Settled = [[A; H]; K];
    fn settle(&self, to: &mut [[A; H]; K]) {
        for (m, t) in self.iter().zip(to) {
            A::settle(m, t);
        }
    }
    fn one(&self, k: usize, h: &mut [A; H]) {
        if let Some(m) = self.get(k) {
            A::settle(m, h);
        }
    }
}

impl<A: Element, const H: usize, const K: usize> Mixtures<A> for Streams<[A::MixtureSum; H], K> {
    type H = [A; H];
    type Settled = Streams<[A; H], K>;
    fn settle(&self, to: &mut Self::Settled) {
        for (m, t) in self.tasks.iter().zip(&mut to.tasks) {
            A::settle(m, t);
        }
        A::settle(&self.shared, &mut to.shared);
    }
    fn one(&self, k: usize, h: &mut [A; H]) {
        if let Some(m) = self.tasks.get(k) {
            A::settle(m, h);
        }
    }
}

/// Everything between the input and the towers. A level is a trunk, and so are [`Stacked`], [`SingleGate`],
/// [`SharedExpert`] and [`Passthrough`].
///
/// It runs in two calls, so that the buffers of all levels but the last are gone when the last
/// one's are made.
pub trait Trunk: InPlace {
    /// Activations.
    type Act: Element;
    /// The input.
    type In: Buffer;
    /// What one tower reads.
    type H: FromZeros;
    /// What the last level leaves.
    type Mixes: Mixtures<Self::Act, H = Self::H>;
    /// All gate weights, level by level.
    type Gates: FromZeros;
    /// `[(); K]`: for how many towers.
    type Count;
    /// What the last level reads, where that is not the input.
    type Streams: FromZeros;
    /// Bytes that the levels before the last one need.
    const FIRST: usize;
    /// Bytes that the last level needs.
    const LAST: usize;
    /// From one tower's value to the next one's: 1, or 0 where all read the same.
    const STEP: u8 = 1;
    /// Says all steps and layers; gives the first value that a tower reads.
    fn describe(to: &mut Check<'_>) -> u8;
    /// Runs all levels but the last. Gives the number of experts that ran.
    fn streams<M: Math, C: Choice>(
        &self,
        x: &Self::In,
        want: u32,
        choice: C,
        gates: &mut Self::Gates,
        s: &mut Self::Streams,
    ) -> u32;
    /// Runs the last level. Gives the number of experts that ran.
    #[allow(clippy::too_many_arguments, reason = "a walk's buffers, each needed")]
    fn last<M: Math, C: Choice>(
        &self,
        x: &Self::In,
        s: &Self::Streams,
        want: u32,
        choice: C,
        gates: &mut Self::Gates,
        h: &mut Self::H,
        m: &mut Self::Mixes,
    ) -> u32;
}

impl<A: Element, const I: usize, L> Trunk for L
where
    L: InPlace
        + TypedLevel<
            A = A,
            Stream = [A; I],
            H: FromZeros + Sized,
            Mixes: Sized + Mixtures<A, H = L::H>,
            Rows: FromZeros + Sized,
        >,
{
    type Act = A;
    type In = [A; I];
    type H = L::H;
    type Mixes = L::Mixes;
    type Gates = L::Rows;
    type Count = L::Count;
    type Streams = [A; 0];
    const FIRST: usize = 0;
    const LAST: usize = size_of::<L::H>() + size_of::<L::Mixes>() + size_of::<L::Rows>() + L::INNER;
    fn describe(to: &mut Check<'_>) -> u8 {
        <L as TypedLevel>::describe::<[A; I]>(to, 0)
    }
    fn streams<M: Math, C: Choice>(
        &self,
        _: &[A; I],
        _: u32,
        _: C,
        _: &mut L::Rows,
        _: &mut [A; 0],
    ) -> u32 {
        0
    }
    fn last<M: Math, C: Choice>(
        &self,
        x: &[A; I],
        _: &[A; 0],
        want: u32,
        choice: C,
        gates: &mut L::Rows,
        h: &mut L::H,
        m: &mut L::Mixes,
    ) -> u32 {
        walk::<M, C, L, [A; I]>(self, x, want, choice, gates, h, m)
    }
}

/// `L1`, and then the level `L2` on its mixtures. `Stacked<Stacked<A, B>, C>` for three.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Stacked<L1, L2>(pub L1, pub L2);

impl<A: Element, L1, L2> Trunk for Stacked<L1, L2>
where
    L1: Trunk<Act = A>,
    L2: InPlace
        + TypedLevel<
            A = A,
            H: FromZeros + Sized,
            Mixes: Sized + Mixtures<A, H = L2::H>,
            Rows: FromZeros + Sized,
        >,
    <L1::Mixes as Mixtures<A>>::Settled: Source<L2::Stream>,
{
    type Act = A;
    type In = L1::In;
    type H = L2::H;
    type Mixes = L2::Mixes;
    type Gates = Pair<L1::Gates, L2::Rows>;
    type Count = L2::Count;
    type Streams = <L1::Mixes as Mixtures<A>>::Settled;
    const FIRST: usize = max(L1::FIRST, L1::LAST) + size_of::<L1::Streams>();
    const LAST: usize =
        size_of::<L2::H>() + size_of::<L2::Mixes>() + size_of::<L2::Rows>() + L2::INNER;
    fn describe(to: &mut Check<'_>) -> u8 {
        let base = L1::describe(to);
        L2::describe::<Self::Streams>(to, base)
    }
    #[inline(never)]
    fn streams<M: Math, C: Choice>(
        &self,
        x: &L1::In,
        want: u32,
        choice: C,
        gates: &mut Self::Gates,
        s: &mut Self::Streams,
    ) -> u32 {
        let mut before = L1::Streams::new_zeroed();
        let want = L2::needs(want);
        let run = self
            .0
            .streams::<M, C>(x, want, choice, &mut gates.0, &mut before);
        run.wrapping_add(settled::<M, C, L1, A>(
            &self.0,
            x,
            &before,
            want,
            choice,
            &mut gates.0,
            s,
        ))
    }
    fn last<M: Math, C: Choice>(
        &self,
        _: &L1::In,
        s: &Self::Streams,
        want: u32,
        choice: C,
        gates: &mut Self::Gates,
        h: &mut L2::H,
        m: &mut L2::Mixes,
    ) -> u32 {
        walk::<M, C, L2, _>(&self.1, s, want, choice, &mut gates.1, h, m)
    }
}

/// The last level of `l`, rounded to activations, in a frame of its own.
#[inline(never)]
fn settled<M: Math, C: Choice, L: Trunk<Act = A>, A: Element>(
    l: &L,
    x: &L::In,
    before: &L::Streams,
    want: u32,
    choice: C,
    gates: &mut L::Gates,
    s: &mut <L::Mixes as Mixtures<A>>::Settled,
) -> u32 {
    let (mut h, mut m) = (L::H::new_zeroed(), L::Mixes::new_zeroed());
    let run = l.last::<M, C>(x, before, want, choice, gates, &mut h, &mut m);
    m.settle(s);
    run
}

/// One gate for all `K` towers: they read mixture 0. `SingleGate<MmoeLevel<[E; N], [G; 1]>, K>`.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SingleGate<L, const K: usize>(pub L);

impl<L: Trunk, const K: usize> Trunk for SingleGate<L, K> {
    type Act = L::Act;
    type In = L::In;
    type H = L::H;
    type Mixes = First<L::Mixes>;
    type Gates = L::Gates;
    type Count = [(); K];
    type Streams = L::Streams;
    const FIRST: usize = L::FIRST;
    const LAST: usize = L::LAST;
    const STEP: u8 = 0;
    fn describe(to: &mut Check<'_>) -> u8 {
        L::describe(to)
    }
    fn streams<M: Math, C: Choice>(
        &self,
        x: &L::In,
        _: u32,
        choice: C,
        gates: &mut L::Gates,
        s: &mut L::Streams,
    ) -> u32 {
        self.0.streams::<M, C>(x, 1, choice, gates, s)
    }
    fn last<M: Math, C: Choice>(
        &self,
        x: &L::In,
        s: &L::Streams,
        want: u32,
        choice: C,
        gates: &mut L::Gates,
        h: &mut L::H,
        m: &mut First<L::Mixes>,
    ) -> u32 {
        if want == 0 {
            0
        } else {
            self.0.last::<M, C>(x, s, 1, choice, gates, h, &mut m.0)
        }
    }
}

/// Mixtures of which everybody reads the first.
#[derive(Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct First<X>(X);

impl<A: Element, X: Mixtures<A>> Mixtures<A> for First<X>
where
    First<X>: FromZeros,
{
    type H = X::H;
    type Settled = X::Settled;
    fn settle(&self, to: &mut X::Settled) {
        self.0.settle(to);
    }
    fn one(&self, _: usize, h: &mut X::H) {
        self.0.one(0, h);
    }
}

/// One expert, no gate: the shared bottom of `K` towers; an autoencoder with an
/// [`MixtureOutput`](crate::Empty) tower.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct SharedExpert<E, const K: usize>(pub E);

/// One stream of activations that every tower reads.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Shared<X>(X);

impl<A: Element, const H: usize> Mixtures<A> for Shared<[A; H]> {
    type H = [A; H];
    type Settled = [A; H];
    fn settle(&self, to: &mut [A; H]) {
        *to = self.0;
    }
    fn one(&self, _: usize, h: &mut [A; H]) {
        *h = self.0;
    }
}

impl<
    A: Element,
    const I: usize,
    const H: usize,
    E: Layer<Act = A, In = [A; I], Out = [A; H]>,
    const K: usize,
> Trunk for SharedExpert<E, K>
{
    type Act = A;
    type In = [A; I];
    type H = [A; H];
    type Mixes = Shared<[A; H]>;
    type Gates = [A; 0];
    type Count = [(); K];
    type Streams = [A; 0];
    const FIRST: usize = 0;
    const LAST: usize = 2 * size_of::<[A; H]>() + E::SCRATCH;
    const STEP: u8 = 0;
    fn describe(to: &mut Check<'_>) -> u8 {
        let value = to.next_value();
        list::describe::<E>(to, &Place::Expert(0));
        value
    }
    fn streams<M: Math, C: Choice>(
        &self,
        _: &[A; I],
        _: u32,
        _: C,
        _: &mut [A; 0],
        _: &mut [A; 0],
    ) -> u32 {
        0
    }
    fn last<M: Math, C: Choice>(
        &self,
        x: &[A; I],
        _: &[A; 0],
        want: u32,
        _: C,
        _: &mut [A; 0],
        _: &mut [A; H],
        m: &mut Shared<[A; H]>,
    ) -> u32 {
        if want == 0 {
            return 0;
        }
        self.0.forward::<M>(x, &mut m.0);
        1
    }
}

/// No level at all: each of `K` towers reads the input. Independent models.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Passthrough<X, const K: usize>(PhantomData<X>);

impl<A: Element, const I: usize, const K: usize> Trunk for Passthrough<[A; I], K>
where
    Self: InPlace,
{
    type Act = A;
    type In = [A; I];
    type H = [A; I];
    type Mixes = Shared<[A; I]>;
    type Gates = [A; 0];
    type Count = [(); K];
    type Streams = [A; 0];
    const FIRST: usize = 0;
    const LAST: usize = 2 * size_of::<[A; I]>();
    const STEP: u8 = 0;
    fn describe(_: &mut Check<'_>) -> u8 {
        0
    }
    fn streams<M: Math, C: Choice>(
        &self,
        _: &[A; I],
        _: u32,
        _: C,
        _: &mut [A; 0],
        _: &mut [A; 0],
    ) -> u32 {
        0
    }
    fn last<M: Math, C: Choice>(
        &self,
        x: &[A; I],
        _: &[A; 0],
        _: u32,
        _: C,
        _: &mut [A; 0],
        _: &mut [A; I],
        m: &mut Shared<[A; I]>,
    ) -> u32 {
        m.0 = *x;
        0
    }
}
