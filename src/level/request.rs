//! What a caller asks of a prediction: which tasks, and which experts may be left out.

use crate::number::Element;
use core::ops::{BitOr, BitOrAssign};

/// A set of a model's tasks, by their index. A model has at most 64 tasks.
///
/// Every tower is a task, and behind the towers every [`Product`](crate::Product) is one.
///
/// ```
/// use mmoe::TaskMask;
/// let mask = TaskMask::only(0) | TaskMask::only(2);
/// assert!(mask.contains(0) && !mask.contains(1) && mask.contains(2));
/// assert!(TaskMask::ALL.contains(63));
/// assert_eq!(TaskMask::only(64), TaskMask::NONE, "no model has a task 64");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TaskMask(u64);

impl TaskMask {
    /// Every task.
    pub const ALL: Self = Self(u64::MAX);
    /// No task.
    pub const NONE: Self = Self(0);

    /// Returns the set of this task alone; [`NONE`](Self::NONE) for a number from 64 on.
    #[must_use]
    pub const fn only(task: usize) -> Self {
        if task < 64 { Self(1 << task) } else { Self(0) }
    }

    /// Returns the set in which task `k` is present where bit `k` is set.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the set as bits: bit `k` is set where task `k` is present.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Returns `true` if the task is in the set.
    #[must_use]
    pub const fn contains(self, task: usize) -> bool {
        // Of the half that the task is in, since a shift of two words is slow on a device.
        let half = if task < 32 {
            self.0 as u32
        } else {
            (self.0 >> 32) as u32
        };
        task < 64 && half >> (task & 31) & 1 != 0
    }

    /// Returns `true` if no task is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for TaskMask {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for TaskMask {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Decides which experts are left out, beside those that no gate weighs.
pub trait ExpertFilter: Copy {
    /// Whether anything is left out at all. The walk asks about gate weights only where this is
    /// `true`.
    const SKIPS: bool;
    /// Whether an expert with this gate weight counts as not weighed.
    fn leaves_out<A: Element>(self, weight: A::Gate) -> bool;
}

/// Runs every expert that has a weight.
#[derive(Clone, Copy, Debug)]
pub struct RunAll;

impl ExpertFilter for RunAll {
    const SKIPS: bool = false;
    fn leaves_out<A: Element>(self, _: A::Gate) -> bool {
        false
    }
}

/// Leaves an expert out of every mixture whose gate weighs it less than a threshold (in size, where weights may be
/// negative). An expert that
/// no gate weighs more is not run.
///
/// The other weights stay as they are: they are not normalized again. How much work this saves
/// depends on the input. `mmoe eval --skip-below` shows, on rows of your own, what a threshold saves
/// and what it costs in accuracy.
///
/// ```
/// const SKIP: mmoe::SkipBelow = mmoe::SkipBelow::new(0.02).unwrap();
/// assert!(mmoe::SkipBelow::new(1.0).is_none(), "that would skip every expert");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SkipBelow(f32);

impl SkipBelow {
    /// Creates a threshold from the smallest weight that counts. It must be at least 0 and less than
    /// 1; the result is `None` for any other number and for NaN.
    #[must_use]
    pub const fn new(least: f32) -> Option<Self> {
        if least >= 0.0 && least < 1.0 {
            Some(Self(least))
        } else {
            None
        }
    }
}

impl ExpertFilter for SkipBelow {
    const SKIPS: bool = true;
    fn leaves_out<A: Element>(self, weight: A::Gate) -> bool {
        A::gate_is_below(weight, self.0)
    }
}

/// What a trunk or a level is asked to compute.
///
/// A trunk is asked for tasks. A level is asked for its output streams: stream `k` is task `k`'s,
/// and the stream behind the last task's is the shared one of an
/// [`ExtractionLevel`](crate::ExtractionLevel).
#[derive(Clone, Copy, Debug)]
pub struct Request<F> {
    /// The tasks (of a level: the output streams) that are needed.
    pub tasks: TaskMask,
    /// The experts that may be left out.
    pub filter: F,
}

impl<F: Copy> Request<F> {
    /// Returns the same request for other tasks.
    pub(crate) fn of(self, tasks: TaskMask) -> Self {
        Self { tasks, ..self }
    }
}

impl Request<RunAll> {
    /// Asks for these tasks, with every expert that has a weight.
    pub(crate) const fn tasks(tasks: TaskMask) -> Self {
        Self {
            tasks,
            filter: RunAll,
        }
    }
}
