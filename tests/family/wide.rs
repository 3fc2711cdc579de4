//! Types and graphs of more experts and tasks than a mask of 32 bits names.

use super::shapes::{sigmoids, times};
use mmoe::{gate::*, layer::*, parallel::*, *};
use mmoe_tools::codegen::{self, Source};
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::Runner;
use mmoe_tools::graph::{GateKind, Graph};
use testkit::Rng;
use testkit::graphs::{self as seeded, expert, gate, graph, tower};

type Small<P> = Dense<5, 3, P>;
type Tip<P> = Binary<Head<3, 1, P>>;

pub(crate) type SixtyFour<P> = Mmoe<[Small<P>; 64], [Gate<5, 64, P>; 64], [Tip<P>; 64]>;
pub(crate) fn sixty_four_of_all(r: &mut Rng) -> Graph {
    let mut nodes = times(64, |_| expert(r, 0, &[5, 3]));
    let all: Vec<usize> = (1..=64).collect();
    nodes.extend(times(64, |_| {
        gate(r, GateKind::Softmax, 0, 5, all.clone(), 3)
    }));
    nodes.extend(times(64, |k| tower(r, 65 + k, &[3, 1])));
    graph(5, nodes, &sigmoids(129..193))
}

/// Every kind of gate over 128 experts.
pub(crate) type MostExperts<P> = Mmoe<
    [Small<P>; 128],
    List8<
        Gate<5, 128, P>,
        SigmoidGate<Logits<5, 128, P>>,
        HardGate<Logits<5, 128, P>>,
        TopKGate<Logits<5, 128, P>, 3, true>,
        TopKGate<Logits<5, 128, P>, 40, false>,
        DSelectKGate<Logits<5, 16, P>, 128, 2>,
        ConstantGate<5, 128, P>,
        LinearGate<Logits<5, 128, P>>,
    >,
    [Tip<P>; 8],
>;
pub(crate) fn the_most_experts(r: &mut Rng) -> Graph {
    let top = |k, renormalise| GateKind::TopK { k, renormalise };
    let kinds = [
        GateKind::Softmax,
        GateKind::Sigmoid,
        GateKind::Hard,
        top(3, true),
        top(40, false),
        GateKind::DSelectK { k: 2 },
        GateKind::Constant,
        GateKind::Linear,
    ];
    let mut nodes = times(128, |_| expert(r, 0, &[5, 3]));
    let all: Vec<usize> = (1..=128).collect();
    nodes.extend(times(8, |k| gate(r, kinds[k], 0, 5, all.clone(), 3)));
    nodes.extend(times(8, |k| tower(r, 129 + k, &[3, 1])));
    graph(5, nodes, &sigmoids(137..145))
}

const RUNS: u128 = 0b111 << 20 | 0xffff << 48;

/// Gates that see some of 64 experts: two runs of them, those from the 33rd on, the last alone, and
/// (which needs no runs) a few of the first.
pub(crate) type TwoRuns<P> = Mmoe<
    [Small<P>; 64],
    List4<
        MaskedGate<Gate<5, 19, P>, RUNS, 64>,
        MaskedGate<Gate<5, 32, P>, { 0xffff_ffff << 32 }, 64>,
        MaskedGate<Gate<5, 1, P>, { 1 << 63 }, 64>,
        MaskedGate<HardGate<Logits<5, 3, P>>, 0b10101, 64>,
    >,
    [Tip<P>; 4],
>;
pub(crate) fn two_runs_of_experts(r: &mut Rng) -> Graph {
    let mut nodes = times(64, |_| expert(r, 0, &[5, 3]));
    let masks = [RUNS, 0xffff_ffff << 32, 1 << 63, 0b10101];
    let kinds = [
        GateKind::Softmax,
        GateKind::Softmax,
        GateKind::Softmax,
        GateKind::Hard,
    ];
    nodes.extend(times(4, |k| {
        let sees = (0..64)
            .filter(|i| masks[k] >> i & 1 != 0)
            .map(|i| i + 1)
            .collect();
        gate(r, kinds[k], 0, 5, sees, 3)
    }));
    nodes.extend(times(4, |k| tower(r, 65 + k, &[3, 1])));
    graph(5, nodes, &sigmoids(69..73))
}

/// 63 tasks with an expert each beside four shared ones: a gate sees few of many.
pub(crate) type CgcOfMost<P> = Cgc<[Small<P>; 1], [Small<P>; 4], Gate<5, 5, P>, [Tip<P>; 63], 63>;
pub(crate) fn cgc_of_most_tasks(r: &mut Rng) -> Graph {
    let mut nodes = times(67, |_| expert(r, 0, &[5, 3]));
    nodes.extend(times(63, |k| {
        gate(r, GateKind::Softmax, 0, 5, vec![1 + k, 64, 65, 66, 67], 3)
    }));
    nodes.extend(times(63, |k| tower(r, 68 + k, &[3, 1])));
    graph(5, nodes, &sigmoids(131..194))
}

/// The type of a graph's blob, spelled, has these parts.
pub(crate) fn is_spelled(graph: &Graph, parts: &[&str]) {
    let bytes = seeded::blob(graph, Precision::F32);
    let runner = Runner::load(&bytes).unwrap();
    let (source, _) = codegen::source(&runner, &Source::Given).unwrap();
    for part in parts {
        assert!(source.contains(part), "`{part}` is not in\n{source}");
    }
}
