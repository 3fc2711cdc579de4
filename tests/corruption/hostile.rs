//! Headers that were written to be wrong, with as many weights as they ask for.

use super::{both, erased, packing_of, subjects, typed};
use mmoe::blob::{
    ActivationKind, LayerKind, LayerRecord, NodeName, NodeOp, OutputKind, PackingKind,
    PrecisionKind, SectionTag,
};
use mmoe::precision::{Panels, Quad};
use mmoe::{
    Binary, Dense, F32, Gate, Head, I8, LoadError, Mmoe, MmoeLevel, Model, Raw, Seq, Shape, W8,
};
use mmoe_tools::blob::message::{Header, Input, Layer, Node, Task};
use mmoe_tools::blob::{encode, file, read};
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{GateKind, Output};
use testkit::graphs::{self as seeded, assembled};
use testkit::{Rng, integer};

fn dense(precision: PrecisionKind, inputs: usize, outputs: usize) -> Shape {
    let format = (precision, PackingKind::Panels);
    LayerRecord::matrix(
        LayerKind::Dense,
        ActivationKind::Relu,
        format,
        inputs,
        outputs,
    )
    .shape()
}

/// The first expert of a model with one level.
const EXPERT: NodeName = NodeName::new(NodeOp::Expert, None, 0, 0);

#[test]
fn another_shape_is_named_with_both_shapes() {
    type Wider<P> = Mmoe<
        [Seq<Dense<5, 6, P>, Dense<6, 4, P>>; 2],
        [Gate<5, 2, P>; 2],
        [Binary<Seq<Dense<4, 4, P>, Head<4, 1, P>>>; 2],
    >;
    let blob = seeded::blob(&seeded::small(&mut Rng::new(1)), Precision::F32);
    let layer = |outputs| dense(PrecisionKind::F32, 6, outputs);
    let error = Wider::<F32>::load(&blob).unwrap_err();
    assert_eq!(
        error,
        LoadError::Layer {
            node: EXPERT,
            layer: 1,
            expected: layer(4),
            found: layer(3)
        }
    );
    assert_eq!(
        error.to_string(),
        "expert 0, layer 1: 6→3 in the blob, 6→4 in the type"
    );

    type Other = Mmoe<[Dense<7, 3, F32>; 2], [Gate<7, 2, F32>; 2], [Binary<Head<3, 1, F32>>; 2]>;
    assert_eq!(
        Other::load(&blob).unwrap_err(),
        LoadError::Inputs {
            expected: 7,
            found: 5
        }
    );

    type Three =
        Mmoe<[super::Expert<F32>; 2], [Gate<5, 2, F32>; 3], [Binary<super::Tower<F32>>; 3]>;
    let third = Three::load(&blob).unwrap_err();
    let name = NodeName::new(NodeOp::Softmax, None, 2, 4);
    assert!(matches!(third, LoadError::Wiring { node, offset: 0, .. } if node == name));
    assert_eq!(
        third.to_string(),
        "node 4 (counted over experts, gates and towers) is a tower in the blob, a softmax gate in \
         the type: they differ in kind or number"
    );

    type Alike =
        Mmoe<[super::Expert<F32>; 2], [Gate<5, 2, F32>; 2], [Binary<super::Tower<F32>>; 2]>;
    assert!(matches!(
        Alike::load(&blob),
        Err(LoadError::Task { task: 1, .. })
    ));
}

#[test]
fn another_precision_or_packing_is_named() {
    let [f32s, w8, panels, quads, ..] = subjects().map(|(_, blob, _)| blob);
    let first = |precision| dense(precision, 5, 6);
    let differs = |expected, found| LoadError::Layer {
        node: EXPERT,
        layer: 0,
        expected: first(expected),
        found: first(found),
    };
    assert_eq!(
        typed::<F32>(&w8),
        Err(differs(PrecisionKind::F32, PrecisionKind::W8))
    );
    assert_eq!(
        typed::<W8>(&f32s),
        Err(differs(PrecisionKind::W8, PrecisionKind::F32))
    );
    assert_eq!(
        typed::<W8>(&panels),
        Err(differs(PrecisionKind::W8, PrecisionKind::I8))
    );
    assert_eq!(
        typed::<I8>(&w8),
        Err(differs(PrecisionKind::I8, PrecisionKind::W8))
    );
    let packed = |expected, found| LoadError::Packing {
        node: EXPERT,
        expected,
        found,
    };
    assert_eq!(
        typed::<I8>(&quads),
        Err(packed(packing_of::<Panels>(), packing_of::<Quad>()))
    );
    assert_eq!(
        typed::<I8<Quad>>(&panels),
        Err(packed(packing_of::<Quad>(), packing_of::<Panels>()))
    );
}

/// What a person reads when a blob is not the type's.
#[test]
fn errors_say_what_differs_in_words() {
    let (_, blob, load) = subjects().into_iter().next().unwrap();
    let said = |edit: Edit| load(&edited(&blob, edit, None)).unwrap_err().to_string();
    let cases: [(Edit, &str); 12] = [
        (
            |h| h.tasks[1].output = OutputKind::Sigmoid.code(),
            "task 1: sigmoid in the blob, linear in the type",
        ),
        (
            |h| h.tasks[1].width = 257,
            "task 1: 257 wide in the blob, 1 wide in the type",
        ),
        (
            |h| h.tasks[1].a = 5,
            "task 1: linear of value 5, width 1 in the blob, linear of value 6, width 1 in the type",
        ),
        (
            |h| drop(h.tasks.pop().zip(h.task_names.pop())),
            "1 tasks in the blob, 2 in the type",
        ),
        (
            |h| h.nodes[3].sees = 1,
            "gate 1 sees other experts: 0b1 in the blob, 0b11 in the type (the lowest bit is the \
             level's first expert; of more than 32, a byte for each number of the runs)",
        ),
        (
            |h| h.nodes[1].src = 7,
            "expert 1, value read: 7 in the blob, 0 in the type",
        ),
        (
            |h| h.nodes[3].first = 2,
            "gate 1, first value of its level: 2 in the blob, 1 in the type",
        ),
        (
            |h| h.nodes[1].start = 0x101,
            "expert 1, start of the slice read: 257 in the blob, 0 in the type",
        ),
        (
            |h| h.nodes[5].outputs = 257,
            "tower 1, width made: 257 in the blob, 1 in the type",
        ),
        (
            |h| h.layers[3].outputs = 260,
            "expert 1, layer 1: 6→260 in the blob, 6→3 in the type",
        ),
        (
            |h| h.layers[0].activation = ActivationKind::Tanh.code(),
            "expert 0, layer 0: 5→6 F32 dense tanh in the blob, 5→6 F32 dense relu in the type",
        ),
        (
            |h| h.layers[0].packing = PackingKind::Quad.code(),
            "expert 0: weights packed as quad in the blob, as panels in the type: convert again \
             with `--packing panels`",
        ),
    ];
    for (edit, wanted) in cases {
        assert_eq!(said(edit), wanted);
    }
}

/// Where a model has several levels, an error says which one.
#[test]
fn errors_name_the_level() {
    let r = &mut Rng::new(7);
    let nodes = vec![
        seeded::expert(r, 0, &[3, 2]),
        seeded::expert(r, 0, &[3, 2]),
        seeded::gate(r, GateKind::Softmax, 0, 3, vec![1, 2], 2),
        seeded::gate(r, GateKind::Hard, 0, 3, vec![1, 2], 2),
        seeded::expert(r, 3, &[2, 4]),
        seeded::expert(r, 4, &[2, 4]),
        seeded::gate(r, GateKind::Softmax, 3, 2, vec![5, 6], 4),
        seeded::gate(r, GateKind::Softmax, 4, 2, vec![5, 6], 4),
        seeded::tower(r, 7, &[4, 1]),
        seeded::tower(r, 8, &[4, 1]),
    ];
    let tasks = [Output::Sigmoid { value: 9 }, Output::Sigmoid { value: 10 }];
    let blob = seeded::blob(&seeded::graph(3, nodes, &tasks), Precision::F32);
    type First<const W: usize> = MmoeLevel<
        [Dense<3, W, F32>; 2],
        mmoe::parallel::List2<Gate<3, 2, F32>, mmoe::gate::HardGate<mmoe::Logits<3, 2, F32>>>,
    >;
    type Second<const W: usize, const H: usize> =
        MmoeLevel<[Dense<W, H, F32>; 2], [Gate<W, 2, F32>; 2]>;
    type Two<const W: usize, const H: usize, const T: usize> = Model<
        Raw<[f32; 3]>,
        mmoe::trunk::Stacked<First<W>, Second<W, H>>,
        [Binary<Head<T, 1, F32>>; 2],
    >;
    let said = |e: LoadError| e.to_string();
    assert_eq!(
        said(Two::<5, 4, 4>::load(&blob).unwrap_err()),
        "expert 0 of level 0, layer 0: 3→2 in the blob, 3→5 in the type"
    );
    assert_eq!(
        said(Two::<2, 5, 5>::load(&blob).unwrap_err()),
        "expert 0 of level 1, layer 0: 2→4 in the blob, 2→5 in the type"
    );
    // Gates of one level are counted whatever their kinds, towers over the model.
    let edits: [(Edit, &str); 3] = [
        (
            |h| h.layers[3].precision = 1,
            "gate 1 of level 0, layer 0: ",
        ),
        (
            |h| h.layers[7].precision = 1,
            "gate 1 of level 1, layer 0: ",
        ),
        (|h| h.layers[9].precision = 1, "tower 1, layer 0: "),
    ];
    for (edit, start) in edits {
        let error = said(Two::<2, 4, 4>::load(&edited(&blob, edit, None)).unwrap_err());
        assert!(error.starts_with(start), "{error}");
    }
}

/// A change of a header.
type Edit = fn(&mut Header);

fn edited(blob: &[u8], edit: impl FnOnce(&mut Header), weights: Option<usize>) -> BlobBytes {
    let (mut header, old) = read::split(blob).unwrap();
    edit(&mut header);
    let mut weights = vec![0x55; weights.unwrap_or(old.len())];
    let n = weights.len().min(old.len());
    weights[..n].copy_from_slice(&old[..n]);
    assembled(&header, &weights)
}

#[test]
fn zero_dimensions_are_refused() {
    let edits: [(Edit, u32); 5] = [
        (|h| h.inputs[0].count = 0, 1),
        (|h| h.nodes[0].inputs = 0, 6),
        (|h| h.layers[0].inputs = 0, 8),
        (|h| h.layers[0].outputs = 0, 9),
        (|h| h.nodes[0].outputs = 0, 12),
    ];
    // Where a node begins with codes, its first record may well have no outputs.
    for (_, blob, load) in subjects().into_iter().take(5) {
        for (edit, rule) in edits {
            let changed = edited(&blob, edit, None);
            assert!(load(&changed).is_err());
            assert_eq!(erased(&changed), Err(LoadError::Record { at: 0, rule }));
        }
        assert!(matches!(
            erased(&edited(&blob, |h| h.tasks[0].width = 0, None)),
            Err(LoadError::Record { at: 0, rule: 15 })
        ));
    }
}

#[test]
fn sizes_that_overflow_are_refused() {
    let wide: Edit = |h| {
        // 30 layers of 4 GB cells each would not fit 32 bits, nor would their sum fit 64-bit bytes
        // in a file.
        h.inputs[0].count = 0xffff;
        h.nodes[0].inputs = 0xffff;
        h.nodes[0].layers = 255;
        h.layers = vec![
            Layer {
                inputs: 0xffff,
                outputs: 0xffff,
                ..h.layers[0]
            };
            255 + 10
        ];
    };
    for (_, blob, load) in subjects() {
        let changed = edited(&blob, wide, None);
        assert!(load(&changed).is_err());
        assert!(matches!(
            erased(&changed),
            Err(LoadError::Record { .. } | LoadError::Weights { .. })
        ));
        // Counts and lengths that no file has: a list, a name, the weights.
        let mut lists = blob.to_vec();
        lists.splice(14..15, [0xff, 0xff, 0xff, 0xff, 0x0f]);
        file::seal(&mut lists);
        assert_eq!(both(&BlobBytes::new(&lists), load), LoadError::Header);
        let records = mmoe::Blob::open(&blob).unwrap().layers.len();
        let names = 14 + 1 + 8 + 1 + 6 * 16 + 1 + records * 8 + 1 + 16;
        assert_eq!(blob[names], 2, "two task names");
        for huge in [
            [0xff, 0xff, 0xff, 0xff, 0x0f].as_slice(),
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] {
            for at in [names, names + 1] {
                let mut bytes = blob.to_vec();
                bytes.splice(at..=at, huge.iter().copied());
                file::seal(&mut bytes);
                assert_eq!(both(&BlobBytes::new(&bytes), load), LoadError::Header);
            }
        }
    }
}

#[test]
fn more_tasks_than_a_model_has_are_refused_before_anything_is_counted() {
    let (_, blob, load) = subjects().into_iter().nth(2).unwrap();
    let many = edited(
        &blob,
        |h| {
            h.tasks = vec![h.tasks[1].clone(); 0xffff];
            h.task_names = vec!["y".into(); 0xffff];
        },
        None,
    );
    assert_eq!(
        load(&many),
        Err(LoadError::Tasks {
            expected: 2,
            found: 0xffff
        })
    );
    assert_eq!(
        erased(&many),
        Err(LoadError::Record {
            at: 0xffff,
            rule: 14
        })
    );
}

#[test]
fn sections_of_even_tags_are_skipped_and_odd_ones_refused() {
    for (_, blob, load) in subjects() {
        let with = |tag| edited(&blob, |h| h.sections.push((tag, vec![1, 2, 3])), None);
        assert_eq!(load(&with(200)), load(&blob));
        assert_eq!(erased(&with(200)), erased(&blob));
        assert_eq!(both(&with(201), load), LoadError::Section { tag: 201 });
        assert_eq!(
            both(&edited(&blob, |h| drop(h.task_names.pop()), None), load),
            LoadError::Header
        );
        assert!(matches!(
            both(&edited(&blob, |_| (), Some(4)), load),
            LoadError::Weights { found: 4, .. }
        ));
        assert_eq!(
            mmoe::blob::Blob::open(&with(200))
                .unwrap()
                .section(SectionTag::Identity),
            Some(&[4, b't', b'e', b's', b't', 7][..])
        );
    }
}

#[test]
fn an_input_of_an_unknown_kind_is_refused_by_types_too() {
    let edits: [Edit; 4] = [
        |h| h.inputs[0].kind = 2,
        |h| h.inputs[0].flags = 1,
        |h| h.inputs[0].reserved = 1,
        |h| h.inputs.push(h.inputs[0].clone()),
    ];
    for (_, blob, load) in subjects() {
        for edit in edits {
            let changed = edited(&blob, edit, None);
            assert_eq!(
                load(&changed),
                Err(LoadError::Inputs {
                    expected: 5,
                    found: 0
                })
            );
            assert_eq!(erased(&changed), Err(LoadError::Record { at: 0, rule: 1 }));
        }
    }
}

/// Changes one field of a record to something that might just be allowed.
fn meddle(rng: &mut Rng, h: &mut Header) {
    let small = |rng: &mut Rng| rng.pick(&[0u16, 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 255, 300]);
    let code = |rng: &mut Rng| {
        rng.pick(&[
            0u8, 1, 2, 3, 4, 5, 6, 16, 17, 18, 19, 20, 21, 22, 23, 32, 128, 254, 255,
        ])
    };
    match rng.below(4) {
        0 => {
            let n = rng.below(h.nodes.len());
            let gates = [
                NodeOp::Softmax,
                NodeOp::Sigmoid,
                NodeOp::Hard,
                NodeOp::TopK,
                NodeOp::TopKRaw,
                NodeOp::Constant,
                NodeOp::DSelectK,
                NodeOp::Linear,
            ];
            let Node {
                op,
                k,
                layers,
                src,
                first,
                form,
                start,
                inputs,
                outputs,
                sees,
            } = &mut h.nodes[n];
            match rng.below(12) {
                0 => *op = code(rng),
                1 | 2 => *op = rng.pick(&gates).code(),
                3 => *k = rng.below(5) as u8,
                4 => *layers = rng.below(4) as u8,
                5 => *src = rng.below(9) as u8,
                6 => *first = rng.below(9) as u8,
                7 => *form = rng.below(3) as u8,
                8 => *start = small(rng),
                9 => *inputs = small(rng),
                10 => *outputs = small(rng),
                _ => {
                    *sees = if rng.one_in(2) {
                        rng.bits() as u32
                    } else {
                        rng.below(16) as u32
                    }
                }
            }
        }
        1 => {
            let n = rng.below(h.layers.len());
            let Layer {
                kind,
                activation,
                precision,
                packing,
                inputs,
                outputs,
            } = &mut h.layers[n];
            match rng.below(6) {
                0 => *kind = code(rng),
                1 => *activation = rng.below(6) as u8,
                2 => *precision = rng.below(5) as u8,
                3 => *packing = rng.below(4) as u8,
                4 => *inputs = small(rng),
                _ => *outputs = small(rng),
            }
        }
        2 => {
            let n = rng.below(h.tasks.len());
            let Task {
                output,
                a,
                b,
                reserved,
                width,
                ..
            } = &mut h.tasks[n];
            match rng.below(5) {
                0 => *output = rng.below(5) as u8,
                1 => *a = rng.below(9) as u8,
                2 => *b = rng.below(3) as u8,
                3 => *reserved = rng.below(2) as u8,
                _ => *width = small(rng),
            }
        }
        _ => match rng.below(8) {
            0 => {
                let Input { count, .. } = &mut h.inputs[0];
                *count = u32::from(small(rng));
            }
            1 | 2 => {
                let at = rng.below(h.nodes.len());
                let node = h.nodes[at].clone();
                h.nodes.insert(at, node);
            }
            3 => drop(h.nodes.remove(rng.below(h.nodes.len()))),
            4 | 5 => {
                let at = rng.below(h.layers.len());
                h.layers.insert(at, h.layers[at]);
            }
            6 => {
                h.layers.remove(rng.below(h.layers.len()));
            }
            _ => {
                let at = rng.below(h.tasks.len());
                h.tasks.insert(at, h.tasks[at].clone());
                h.task_names.push("more".into());
            }
        },
    }
}

#[test]
fn headers_that_ask_for_other_weights_get_them_and_are_safe() {
    let mut rng = Rng::new(3);
    let rich = super::rules::rich();
    let subjects = [
        seeded::blob(&rich, Precision::F32),
        seeded::blob(&rich, Precision::W8),
        integer::blob(&rich, integer::Wide::Heads, encode::Packing::Quad, &mut rng),
        integer::blob(&rich, integer::Wide::All, encode::Packing::Panels, &mut rng),
    ]
    .map(|b| {
        let (header, weights) = read::split(&b).unwrap();
        (header, weights.to_vec())
    });
    let mut accepted = 0;
    for round in 0..30_000 {
        let (header, old) = &subjects[round % subjects.len()];
        let mut header = header.clone();
        for _ in 0..rng.within(1, 3) {
            if !header.nodes.is_empty() && !header.layers.is_empty() && !header.tasks.is_empty() {
                meddle(&mut rng, &mut header);
            }
        }
        let mut weights = old.clone();
        let mut bytes = assembled(&header, &weights);
        if let Err(LoadError::Weights { expected, .. }) = erased(&bytes)
            && expected < 1 << 20
        {
            weights.resize_with(expected as usize, || rng.bits() as u8);
            bytes = assembled(&header, &weights);
        }
        // Now and then every weight is noise: rows, shifts and scales with it.
        if rng.one_in(4) {
            weights.fill_with(|| rng.bits() as u8);
            bytes = assembled(&header, &weights);
        }
        accepted += usize::from(erased(&bytes).is_ok());
    }
    assert!(
        accepted > 2_000,
        "{accepted} accepted: the changes do not get far"
    );
}
