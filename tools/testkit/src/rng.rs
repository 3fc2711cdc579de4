//! The one generator of the tests.

use mmoe_tools::graph::Activation;

/// Seeded random numbers: the same on every run and every host.
#[derive(Debug, Clone)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// A generator of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// 0 to `n` − 1; 0 for `n` of 0, so that something hostile may be as short as it likes.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.usize(..n.max(1))
    }

    /// `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        self.0.usize(low..=high)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// −1 to 1.
    pub fn real(&mut self) -> f32 {
        2.0 * self.0.f32() - 1.0
    }

    /// Roughly normal.
    pub fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.real()).sum::<f32>() * 0.707
    }

    /// An activation, relu more often than the others.
    pub fn activation(&mut self) -> Activation {
        let slope = 0.5 * self.real();
        let curve = self.curve();
        self.pick(&[
            Activation::Linear,
            Activation::Relu,
            Activation::Relu,
            Activation::LeakyRelu { slope },
            Activation::Sigmoid,
            Activation::Tanh,
            curve,
        ])
    }

    /// An activation that is a curve. Not the exponential, which makes any error large.
    pub fn curve(&mut self) -> Activation {
        let rate = 1.5 + self.real();
        let depth = 1.0 + self.real();
        self.pick(&[
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu { rate },
            Activation::Elu {
                depth,
                rate,
                slope: 1.05,
            },
            Activation::Softplus { rate },
            Activation::Mish,
            Activation::Softsign,
            Activation::HardSwish,
            Activation::Clip {
                low: -0.5,
                high: rate,
            },
        ])
    }

    /// This many numbers of −1 to 1.
    pub fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.real()).collect()
    }

    /// Features of −2 to 2.
    pub fn row(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| 2.0 * self.real()).collect()
    }
}
