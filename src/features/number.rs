//! Numbers: as they are, or their logarithms.

use super::{Feature, plain, record};
use crate::blob::{FeatureRecord, Given, Makes};
use crate::input::InputCounts;
use crate::number::Element;
use crate::precision::Precision;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A number, NaN where it is missing. 4 bytes, and 8 more in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Number<P: Precision> {
    /// What stands for NaN; NaN itself where the model does not know missing numbers.
    pub missing: f32,
    /// In integer models the offset and the scale.
    pub scale: <P::Act as Element>::Scales<1>,
}

/// The logarithm `ln(1 + x)` of a number.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Log1p<P: Precision>(pub Number<P>);

/// The logarithm `log10(x)` of a number above a threshold, and a stored value of others.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Log10<P: Precision> {
    /// The number must be above it.
    pub threshold: f32,
    /// What others become.
    pub otherwise: f32,
    /// What happens before and after.
    pub number: Number<P>,
}

/// A number that is clipped first: `F` is [`Number`], [`Log1p`] or [`Log10`].
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Clipped<F> {
    /// What is below becomes this.
    pub low: f32,
    /// What is above becomes this.
    pub high: f32,
    /// What happens afterwards.
    pub number: F,
}

/// An integer, such as a count or a converter's reading. In integer models no float instruction runs,
/// which on a core without a float unit is a tenth of the work; 8 bytes there, and none in float models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Int<P: Precision> {
    /// In integer models the offset, multiplier and shift.
    pub scale: <P::Act as Element>::IntScale,
}

macro_rules! debug {
    ($($Name:ident),+) => {$(
        impl<P: Precision> core::fmt::Debug for $Name<P> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(stringify!($Name))
            }
        }
    )+};
}
debug!(Number, Log1p, Log10, Int, MaybeInt);
impl<F> core::fmt::Debug for Clipped<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Clipped({}, {})", self.low, self.high)
    }
}

impl<P: Precision> Number<P> {
    /// The number, or what stands for it.
    fn known(&self, x: f32) -> f32 {
        if x.is_nan() { self.missing } else { x }
    }
    fn scaled(&self, x: f32, y: &mut [P::Act]) -> InputCounts {
        P::Act::features::<1>(&self.scale, 0, &[x], y)
    }
}

const fn number<P: Precision>(flags: u8) -> FeatureRecord {
    let mut record = record(
        plain(Given::F32),
        Makes::Number,
        P::Act::PRECISION,
        1,
        (0, 0, 0),
    );
    record.flags = flags;
    record
}

impl<P: Precision> Feature for Number<P> {
    type Act = P::Act;
    type Raw<'a> = f32;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = number::<P>(0);
    fn encode(&self, raw: f32, y: &mut [P::Act]) -> InputCounts {
        self.scaled(self.known(raw), y)
    }
}

impl<P: Precision> Feature for Log1p<P> {
    type Act = P::Act;
    type Raw<'a> = f32;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = number::<P>(FeatureRecord::LOG1P);
    fn encode(&self, raw: f32, y: &mut [P::Act]) -> InputCounts {
        self.0.scaled(libm::log1pf(self.0.known(raw)), y)
    }
}

impl<P: Precision> Feature for Log10<P> {
    type Act = P::Act;
    type Raw<'a> = f32;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = number::<P>(FeatureRecord::LOG10);
    fn encode(&self, raw: f32, y: &mut [P::Act]) -> InputCounts {
        let x = log10(self.number.known(raw), self.threshold, self.otherwise);
        self.number.scaled(x, y)
    }
}

impl<F> Feature for Clipped<F>
where
    F: for<'a> Feature<Raw<'a> = f32>,
{
    type Act = F::Act;
    type Raw<'a> = f32;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = {
        let mut record = F::RECORD;
        assert!(
            matches!(record.makes(), Some(Makes::Number)) && !record.has(FeatureRecord::CLIP),
            "a number is clipped, and once"
        );
        record.flags |= FeatureRecord::CLIP;
        record
    };
    fn encode(&self, raw: f32, y: &mut [F::Act]) -> InputCounts {
        self.number.encode(clip(raw, self.low, self.high), y)
    }
}

/// NaN stays NaN.
pub(crate) fn clip(x: f32, low: f32, high: f32) -> f32 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

pub(crate) fn log10(x: f32, threshold: f32, otherwise: f32) -> f32 {
    if x > threshold {
        libm::log10f(x)
    } else {
        otherwise
    }
}

impl<P: Precision> Feature for Int<P> {
    type Act = P::Act;
    type Raw<'a> = i32;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = record(
        plain(Given::I32),
        Makes::Number,
        P::Act::PRECISION,
        1,
        (0, 0, 0),
    );
    fn encode(&self, raw: i32, y: &mut [P::Act]) -> InputCounts {
        let Some(y) = y.first_mut() else {
            return InputCounts::default();
        };
        let saturated;
        (*y, saturated) = P::Act::from_int(&self.scale, raw);
        InputCounts {
            nan: 0,
            saturated: u32::from(saturated),
        }
    }
}

/// An integer that may be missing; another one stands for it then. 4 bytes more than [`Int`].
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct MaybeInt<P: Precision> {
    /// What stands for a missing one.
    pub missing: i32,
    /// The integer.
    pub int: Int<P>,
}

impl<P: Precision> Feature for MaybeInt<P> {
    type Act = P::Act;
    type Raw<'a> = Option<i32>;
    const WIDTH: usize = 1;
    const RECORD: FeatureRecord = {
        let mut record = <Int<P> as Feature>::RECORD;
        record.coder |= FeatureRecord::MAYBE;
        record
    };
    fn encode(&self, raw: Option<i32>, y: &mut [P::Act]) -> InputCounts {
        self.int.encode(raw.unwrap_or(self.missing), y)
    }
}
