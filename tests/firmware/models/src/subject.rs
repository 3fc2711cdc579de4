//! A typed model as something that can be loaded, fed and compared.

use mmoe::zerocopy::FromZeros;
use mmoe::{
    Blob, LoadError, Model, Q15, Q16, Q31, SelfTestError,
    bytes::InPlace,
    input::InputStage,
    number::Element,
    parallel::{List2, List3},
    tower::Towers,
    trunk::Trunk,
};

/// Outputs or gate weights, number by number.
pub trait Numbers {
    /// Calls `f` with the bits of each and its value as f32.
    fn each(&self, f: &mut dyn FnMut(u32, f32));
}

macro_rules! numbers {
    ($($t:ty: $v:ident => $bits:expr, $value:expr;)*) => {$(
        impl Numbers for $t {
            fn each(&self, f: &mut dyn FnMut(u32, f32)) {
                let $v = *self;
                f($bits, $value);
            }
        }
    )*};
}
numbers! {
    f32: v => v.to_bits(), v;
    i16: v => v as u16 as u32, f32::from(v);
    Q15: v => u32::from(v.0), v.to_f32();
    Q16: v => v.0 as u32, v.to_f32();
    Q31: v => v.0, v.to_f32();
}

impl<T: Numbers, const N: usize> Numbers for [T; N] {
    fn each(&self, f: &mut dyn FnMut(u32, f32)) {
        self.iter().for_each(|t| t.each(f));
    }
}

macro_rules! tuples {
    ($($t:ty, $($p:ident $i:tt),+;)*) => {$(
        impl<$($p: Numbers),+> Numbers for $t {
            fn each(&self, f: &mut dyn FnMut(u32, f32)) {
                $(self.$i.each(f);)+
            }
        }
    )*};
}
tuples! {
    (A, B), A 0, B 1;
    (A, B, C), A 0, B 1, C 2;
    List2<A, B>, A 0, B 1;
    List3<A, B, C>, A 0, B 1, C 2;
}

/// A typed model of any family and precision.
pub trait Subject: Sized {
    /// A row of features, `[f32; N]`.
    type Row: FromZeros + AsRef<[f32]> + AsMut<[f32]>;
    /// A row of activations, what `predict_q` takes.
    type Input: FromZeros;
    /// What `predict_q` gives.
    type Raw: Numbers;
    /// What `predict` gives.
    type Shown: Numbers;
    /// All gate weights.
    type Gates: Numbers;
    /// Bytes of buffers that a prediction has on the stack.
    const SCRATCH: usize;

    /// [`Model::load`].
    ///
    /// # Errors
    ///
    /// As there.
    fn load(blob: &[u8]) -> Result<&Self, LoadError>;
    /// Features to activations.
    fn quantize(&self, x: &Self::Row, q: &mut Self::Input);
    /// [`Model::predict`].
    fn predict(&self, x: &Self::Row) -> Self::Shown;
    /// [`Model::predict_q`].
    fn predict_q(&self, q: &Self::Input) -> Self::Raw;
    /// [`Model::predict_traced`]: outputs, gate weights, how many experts ran.
    fn traced(&self, x: &Self::Row) -> (Self::Shown, Self::Gates, u32);
    /// [`Model::self_test`].
    ///
    /// # Errors
    ///
    /// As there.
    fn self_test(blob: &[u8]) -> Result<u32, SelfTestError>;
}

impl<S, L, T, A: Element, const I: usize> Subject for Model<S, L, T>
where
    Self: InPlace,
    S: for<'a> InputStage<From<'a> = &'a [f32; I], Out = [A; I]>,
    L: Trunk<Act = A, In = [A; I], GateWeights: Numbers>,
    T: Towers<Act = A, In = L::Stream, Count = L::Count, Out: Numbers, Shown: Numbers>,
{
    type Row = [f32; I];
    type Input = [A; I];
    type Raw = T::Out;
    type Shown = T::Shown;
    type Gates = L::GateWeights;
    const SCRATCH: usize = Self::SCRATCH;

    fn load(blob: &[u8]) -> Result<&Self, LoadError> {
        Self::load(blob)
    }
    fn quantize(&self, x: &[f32; I], q: &mut [A; I]) {
        let _ = self.quantize(x, q);
    }
    fn predict(&self, x: &[f32; I]) -> T::Shown {
        self.predict(x)
    }
    fn predict_q(&self, q: &[A; I]) -> T::Out {
        self.predict_q(q)
    }
    fn traced(&self, x: &[f32; I]) -> (T::Shown, L::GateWeights, u32) {
        let traced = self.predict_traced(x);
        (traced.tasks, traced.gates, traced.run.experts)
    }
    fn self_test(blob: &[u8]) -> Result<u32, SelfTestError> {
        let blob = Blob::open(blob)?;
        Self::from_blob(&blob)?.self_test(&blob)
    }
}

/// FNV-1a over 32-bit words, little end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// One word more.
    pub fn word(&mut self, word: u32) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// One row more: raw outputs, outputs, gate weights.
    pub fn row<M: Subject>(&mut self, model: &M, x: &M::Row) {
        let mut q = M::Input::new_zeroed();
        model.quantize(x, &mut q);
        let (shown, gates, _) = model.traced(x);
        model.predict_q(&q).each(&mut |w, _| self.word(w));
        shown.each(&mut |w, _| self.word(w));
        gates.each(&mut |w, _| self.word(w));
    }
}
