//! Fields that are numbers.

use super::super::raw::Special;
use super::Reader;
use crate::error::ModelError;
use crate::front::build::Scaling;
use crate::front::{Given, Number, Transform};
use crate::plan::fields::MakesPlan;

impl Reader<'_> {
    /// The number that a field is.
    pub(super) fn number(&self, given: Given) -> Result<MakesPlan, ModelError> {
        let raw = self.raw;
        for (key, given) in [
            ("vocabulary", raw.vocabulary.is_some()),
            ("match", raw.match_by.is_some()),
            ("other", raw.other.is_some()),
            ("hash", raw.hash.is_some()),
            ("buckets", raw.buckets.is_some()),
        ] {
            if given {
                return self.wrong(
                    &format!("`{key}` makes a code, and nothing says what becomes of it"),
                    "name the tensor of its table (`embedding`), or write one_hot = true",
                );
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the one rounding")]
        let narrow = |v: f64| v as f32;
        let missing = match &raw.missing {
            None => f32::NAN,
            Some(Special::Number(x)) if x.is_finite() => narrow(*x),
            #[expect(clippy::cast_precision_loss, reason = "the one rounding")]
            Some(Special::Index(x)) => *x as f32,
            Some(_) => {
                return self.wrong(
                    "`missing` is no number",
                    "write what a missing value counts as, before the logarithm and the \
                     standardization, as training filled it: missing = 0.0",
                );
            }
        };
        let clip = match raw.clip {
            None => None,
            Some([low, high]) if low <= high => Some((narrow(low), narrow(high))),
            Some([low, high]) => {
                return self.wrong(&format!("clip = [{low}, {high}]"), "the first is the lower");
            }
        };
        let transform = match (raw.transform.as_deref(), raw.threshold, raw.below) {
            (None, None, None) => Transform::Identity,
            (Some("log1p"), None, None) => Transform::Log1p,
            (Some("log10"), Some(threshold), Some(below)) => Transform::Log10 {
                threshold: narrow(threshold),
                below: narrow(below),
            },
            (Some("log10"), ..) => {
                return self.needs(
                    "threshold and below",
                    "a logarithm ends at 0: threshold = 1e-10 and below = -10.0 make it \
                     log10(x) above the threshold and -10 up to it",
                );
            }
            (_, Some(_), _) | (_, _, Some(_)) => {
                return self.wrong(
                    "`threshold` and `below` belong to a logarithm",
                    "write transform = \"log10\", or remove them",
                );
            }
            (Some(other), ..) => {
                return self.wrong(
                    &format!("transform = \"{other}\""),
                    "write \"log1p\", or \"log10\" with threshold and below",
                );
            }
        };
        if given == Given::I32 && (clip.is_some() || transform != Transform::Identity) {
            return self.wrong(
                "a whole number is standardized and nothing else",
                "write given = \"f32\" for a field with a logarithm or bounds",
            );
        }
        let range = raw.range.map(|[low, high]| (low, high));
        let number = Number {
            missing,
            clip,
            transform,
        };
        let scaling = Scaling {
            mean: raw.mean,
            std: raw.std,
            range,
            ..Scaling::default()
        };
        Ok(MakesPlan::Number(number, scaling))
    }
}
