//! The edge model in plain loops, row by row: what the engine is compared with.

use core::ptr::addr_of_mut;
use firmware_models::{Rng, fill};

struct Dense<const IN: usize, const OUT: usize> {
    weights: [[f32; IN]; OUT],
    bias: [f32; OUT],
}

impl<const IN: usize, const OUT: usize> Dense<IN, OUT> {
    const ZERO: Self = Self {
        weights: [[0.0; IN]; OUT],
        bias: [0.0; OUT],
    };

    fn seed(&mut self, rng: &mut Rng) {
        fill(rng, self.weights.as_flattened_mut());
        fill(rng, &mut self.bias);
    }

    /// With sizes that the compiler knows: a copy of the loop for every shape.
    #[inline(always)]
    fn known(&self, x: &[f32; IN]) -> [f32; OUT] {
        let mut y = [0.0; OUT];
        for ((y, row), bias) in y.iter_mut().zip(&self.weights).zip(&self.bias) {
            let mut sum = *bias;
            for (w, x) in row.iter().zip(x) {
                sum += w * x;
            }
            *y = sum;
        }
        y
    }

    /// With one loop for all shapes.
    #[inline(always)]
    fn slices(&self, x: &[f32; IN]) -> [f32; OUT] {
        let mut y = [0.0; OUT];
        rows(self.weights.as_flattened(), &self.bias, x, &mut y);
        y
    }

    #[inline(always)]
    fn forward<const KNOWN: bool>(&self, x: &[f32; IN]) -> [f32; OUT] {
        if KNOWN { self.known(x) } else { self.slices(x) }
    }
}

#[inline(never)]
fn rows(weights: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    for ((y, row), bias) in y.iter_mut().zip(weights.chunks_exact(x.len())).zip(bias) {
        let mut sum = *bias;
        for (w, x) in row.iter().zip(x) {
            sum += w * x;
        }
        *y = sum;
    }
}

fn relu<const N: usize>(x: [f32; N]) -> [f32; N] {
    x.map(|v| if v > 0.0 { v } else { 0.0 })
}

fn softmax<const N: usize>(z: [f32; N]) -> [f32; N] {
    let max = z
        .iter()
        .fold(f32::NEG_INFINITY, |m, v| if *v > m { *v } else { m });
    let e = z.map(|v| libm::expf(v - max));
    let sum: f32 = e.iter().sum();
    e.map(|v| v / sum)
}

fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-z))
}

/// 64 inputs, 4 experts 64→64→32, 3 gates, 3 towers 32→16→1.
pub(crate) struct Edge {
    experts: [(Dense<64, 64>, Dense<64, 32>); 4],
    gates: [Dense<64, 4>; 3],
    towers: [(Dense<32, 16>, Dense<16, 1>); 3],
}

static mut EDGE: Edge = Edge {
    experts: [const { (Dense::ZERO, Dense::ZERO) }; 4],
    gates: [const { Dense::ZERO }; 3],
    towers: [const { (Dense::ZERO, Dense::ZERO) }; 3],
};

impl Edge {
    /// The one instance, with weights that nobody can know at compile time. To be called once.
    pub(crate) fn seeded() -> &'static Self {
        // SAFETY: the images have one thread, no interrupts, and call this once.
        let edge = unsafe { &mut *addr_of_mut!(EDGE) };
        let mut rng = Rng::new(1);
        for (a, b) in &mut edge.experts {
            a.seed(&mut rng);
            b.seed(&mut rng);
        }
        edge.gates.iter_mut().for_each(|g| g.seed(&mut rng));
        for (a, b) in &mut edge.towers {
            a.seed(&mut rng);
            b.seed(&mut rng);
        }
        edge
    }

    #[inline(never)]
    pub(crate) fn predict<const KNOWN: bool>(&self, x: &[f32; 64]) -> [f32; 3] {
        let mut hidden = [[0.0; 32]; 4];
        for (h, (a, b)) in hidden.iter_mut().zip(&self.experts) {
            *h = relu(b.forward::<KNOWN>(&relu(a.forward::<KNOWN>(x))));
        }
        let mut y = [0.0; 3];
        for ((y, gate), (a, b)) in y.iter_mut().zip(&self.gates).zip(&self.towers) {
            let weights = softmax(gate.forward::<KNOWN>(x));
            let mut mixture = [0.0; 32];
            for (w, h) in weights.iter().zip(&hidden) {
                for (m, h) in mixture.iter_mut().zip(h) {
                    *m += w * h;
                }
            }
            let [z] = b.forward::<KNOWN>(&relu(a.forward::<KNOWN>(&mixture)));
            *y = z;
        }
        [sigmoid(y[0]), sigmoid(y[1]), y[2]]
    }
}
