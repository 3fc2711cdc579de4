//! Towers: the layers whose outputs are the outputs of the model, and what those outputs mean.
//!
//! [`Binary`], [`Multiclass`], [`Regression`], [`MultiRegression`], [`Activated`] and
//! [`MixtureOutput`] are the kinds of tower. Several towers stand side by side as an array, as a [list](crate::parallel), or
//! by name with [`tasks!`](crate::tasks); a [`Product`] adds the product of two probabilities.

mod kinds;
mod product;
mod tasks;

pub use kinds::{Activated, Binary, MixtureOutput, MultiRegression, Multiclass, Regression};
pub use product::{Product, ProductOutput};

use crate::blob::{Check, NodeOp, NodeRecord, OutputKind};
use crate::bytes::{Buffer, InPlace, Pod};
use crate::layer::Layer;
use crate::level::TaskMask;
use crate::math::Math;
use crate::number::Element;
use zerocopy::FromBytes;

/// A layer at the end of a model, whose output is the output of a task.
///
/// A tower of your own is a layer of your own that names the kind of its output and converts it to
/// f32:
///
/// ```
#[doc = include_str!("../../docs/own/tower.rs")]
/// # assert_eq!(<Forecast<3> as Layer>::LAYERS, 1);
/// ```
pub trait Tower: Layer {
    /// The kind of output, as the task's record in the blob has it.
    const OUTPUT: OutputKind;
    /// The output as the user sees it: f32, or an array of f32.
    type Shown: Pod;
    /// Converts the raw output to f32.
    fn show(&self, raw: &Self::Out) -> Self::Shown;
    /// Passes the bits of each number of the raw output to `to`, in order. The self-test compares
    /// them.
    fn words(raw: &Self::Out, to: &mut dyn FnMut(u32));
    /// Returns the raw output of a tower whose output is one probability, which may therefore be a
    /// factor of a [`Product`]; `None` for every other tower.
    fn probability(raw: &Self::Out) -> Option<<Self::Act as Element>::Prob> {
        let _ = raw;
        None
    }
}

/// Describes tower `T`: its node and its task.
#[doc(hidden)]
pub fn describe<T: Tower>(to: &mut Check<'_>, src: u8) {
    let value = to.node(
        &const { NodeRecord::new(&T::NODE, NodeOp::Tower, T::LAYERS, <T::Out as Buffer>::LEN) },
        src,
    );
    T::describe(to);
    to.task(
        T::OUTPUT,
        value,
        0,
        const { <T::Out as Buffer>::LEN as u16 },
    );
}

/// Several towers side by side: `[T; K]`, a list such as [`List2`](crate::parallel::List2), named
/// ones by [`tasks!`](crate::tasks), or any of these with a [`Product`].
///
/// A model runs the towers that [`needs`](Self::needs) names, in ascending order and all into one
/// `Out`, and then [`combine`](Self::combine). A tower may therefore read what a lower one left in
/// `Out`, as the chained towers of AITM do, if `needs` names the lower one too.
///
/// This trait appears in bounds; `tasks!` implements it for towers of your own.
pub trait Towers: InPlace {
    /// Activations.
    type Act: Element;
    /// What each tower reads: a mixture.
    type In;
    /// The raw outputs.
    type Out: FromBytes;
    /// The outputs as f32.
    type Shown;
    /// `[(); K]`: a number that bounds can compare.
    type Count;
    /// How many towers there are.
    const COUNT: usize;
    /// How many tasks there are: the towers' outputs, and behind them the products.
    const TASKS: usize = Self::COUNT;
    /// Bytes of the buffers of the tower that needs most.
    const SCRATCH: usize;
    /// A mask in which bit k is set where the output of tower k is one probability.
    const PROBABILITIES: u64;
    /// Appends the records of the nodes and the tasks to the description that `load` compares with
    /// the blob. Tower k reads value `src + k·stride`.
    fn describe(to: &mut Check<'_>, src: u8, stride: u8);
    /// Returns the towers that these tasks are made of. The task of a tower needs that tower; the
    /// task of a product needs the towers of both factors.
    #[must_use]
    fn needs(tasks: TaskMask) -> TaskMask {
        tasks
    }
    /// Runs tower `k`.
    fn run<M: Math>(&self, k: usize, x: &Self::In, out: &mut Self::Out);
    /// Runs tower `k` on several rows, at most `R`.
    fn run_rows<M: Math, const R: usize>(
        &self,
        k: usize,
        x: &[&Self::In],
        out: &mut [&mut Self::Out],
    ) {
        for (x, out) in x.iter().zip(out) {
            self.run::<M>(k, x, out);
        }
    }
    /// Computes the outputs that are made of other outputs, after all towers have run.
    fn combine(out: &mut Self::Out) {
        let _ = out;
    }
    /// Converts all raw outputs to f32.
    fn show(&self, out: &Self::Out) -> Self::Shown;
    /// Converts the raw outputs of these tasks to f32, and leaves the others as they are.
    fn show_tasks(&self, tasks: TaskMask, out: &Self::Out, to: &mut Self::Shown);
    /// Passes the bits of each number of the raw outputs to `to`, task after task.
    fn words(out: &Self::Out, to: &mut dyn FnMut(u32));
    /// Returns the raw output of tower `k`, if that is one probability.
    fn probability(out: &Self::Out, k: usize) -> Option<<Self::Act as Element>::Prob>;
}
