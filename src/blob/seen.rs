//! Which experts of its level a gate sees, as its record says it.

use super::codes::SeesForm;

/// The experts that a gate sees, as steps from value `first` of its record: a mask of the first 32, and
/// two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    mask: u32,
    first: Run,
    second: Run,
}

/// The steps from `start` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: usize,
    count: usize,
}

impl Run {
    const NONE: Self = Self { start: 0, count: 0 };

    const fn place(self, step: usize) -> Option<usize> {
        match step.checked_sub(self.start) {
            Some(place) if place < self.count => Some(place),
            _ => None,
        }
    }
}

impl Seen {
    pub(crate) const NONE: Self = Self {
        mask: 0,
        first: Run::NONE,
        second: Run::NONE,
    };

    /// What a record's `sees` stands for. The bytes of runs, lowest first: the step at which the first
    /// starts, its length, the steps from its end to the start of the second, and the second's length.
    pub(crate) const fn of(form: SeesForm, sees: u32) -> Self {
        match form {
            SeesForm::Mask => Self {
                mask: sees,
                ..Self::NONE
            },
            SeesForm::Runs => {
                let [start, count, gap, more] = sees.to_le_bytes();
                let (start, count) = (start as usize, count as usize);
                Self {
                    mask: 0,
                    first: Run { start, count },
                    second: Run {
                        start: start + count + gap as usize,
                        count: more as usize,
                    },
                }
            }
        }
    }

    /// How many there are.
    pub(crate) const fn count(self) -> usize {
        self.mask.count_ones() as usize + self.first.count + self.second.count
    }

    /// All of them, in ascending order.
    pub(crate) fn steps(self) -> impl Iterator<Item = usize> {
        let run = |run: Run| run.start..run.start + run.count;
        (0..32usize)
            .filter(move |bit| self.mask >> bit & 1 != 0)
            .chain(run(self.first))
            .chain(run(self.second))
    }

    /// How many of them come before this one, if it is one of them.
    pub(crate) const fn place(self, step: usize) -> Option<usize> {
        if step < 32 && self.mask >> (step & 31) & 1 != 0 {
            let before = self.mask & ((1u32 << (step & 31)) - 1);
            return Some(before.count_ones() as usize);
        }
        match self.first.place(step) {
            Some(place) => Some(place),
            None => match self.second.place(step) {
                Some(place) => Some(self.first.count + place),
                None => None,
            },
        }
    }
}

/// The `form` and the `sees` of a gate that sees the experts of this mask; bit 0 is the level's first.
/// `None` where experts beyond the 32nd make more than two runs, which no record can say.
#[must_use]
pub(crate) const fn seen_record(mask: u128) -> Option<(SeesForm, u32)> {
    if mask >> 32 == 0 {
        return Some((SeesForm::Mask, mask as u32));
    }
    let (start, rest) = cut_zeros(mask);
    let (count, rest) = cut_ones(rest);
    let (gap, rest) = if rest == 0 { (0, 0) } else { cut_zeros(rest) };
    let (more, rest) = cut_ones(rest);
    if rest == 0 {
        let runs = [start as u8, count as u8, gap as u8, more as u8];
        Some((SeesForm::Runs, u32::from_le_bytes(runs)))
    } else {
        None
    }
}

/// How many zeros a mask starts with, and what follows them.
const fn cut_zeros(mask: u128) -> (u32, u128) {
    let n = mask.trailing_zeros();
    (n, if n < 128 { mask >> n } else { 0 })
}

/// How many ones a mask starts with, and what follows them.
const fn cut_ones(mask: u128) -> (u32, u128) {
    let n = mask.trailing_ones();
    (n, if n < 128 { mask >> n } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(mask: u128) -> impl Iterator<Item = usize> {
        (0..128).filter(move |step| mask >> step & 1 != 0)
    }

    #[test]
    fn a_record_says_what_its_mask_says() {
        let run = |from: u32, to: u32| (u128::MAX >> (128 - (to - from))) << from;
        let masks = [
            0b1101,
            run(0, 32),
            run(0, 33),
            run(0, 128),
            run(127, 128),
            run(40, 128),
            run(3, 9) | run(60, 64),
            run(0, 1) | run(2, 128),
            run(31, 33) | run(126, 127),
        ];
        for mask in masks {
            let (form, sees) = seen_record(mask).unwrap();
            assert_eq!(form == SeesForm::Mask, mask >> 32 == 0, "{mask:#b}");
            let seen = Seen::of(form, sees);
            assert!(seen.steps().eq(steps(mask)), "{mask:#b}");
            assert_eq!(seen.count(), mask.count_ones() as usize);
            for step in 0..300 {
                let place = steps(mask).position(|s| s == step);
                assert_eq!(seen.place(step), place, "{mask:#b}, step {step}");
            }
        }
        assert_eq!(seen_record(run(0, 1) | run(2, 3) | run(40, 41)), None);
    }
}
