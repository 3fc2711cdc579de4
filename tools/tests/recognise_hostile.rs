//! Seeded mutations of names, shapes and configurations: recognition and assembly answer with an
//! error or a checked graph, and never panic.

use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::plan::spec::write::write_spec;
use testkit::Rng;
use testkit::fixtures::{made, read};

fn mutate(weights: &mut Weights, random: &mut Rng) {
    let at = random.below(weights.tensors.len());
    let Some((name, tensor)) = weights
        .tensors
        .get_index(at)
        .map(|(n, t)| (n.clone(), t.clone()))
    else {
        return;
    };
    match random.below(5) {
        0 => drop(weights.tensors.shift_remove(&name)),
        1 => {
            let mut tensor = tensor;
            match random.below(4) {
                0 => tensor.shape.push(1 + random.below(3)),
                1 => drop(tensor.shape.pop()),
                2 => tensor.shape.reverse(),
                _ => tensor.shape.iter_mut().for_each(|n| *n = random.below(4)),
            }
            tensor.data = vec![0.25; tensor.shape.iter().product()];
            weights.tensors.insert(name, tensor);
        }
        2 => {
            let digit = char::from(b'0' + u8::try_from(random.below(10)).unwrap());
            let places: Vec<usize> = name
                .match_indices(|c: char| c.is_ascii_digit())
                .map(|(i, _)| i)
                .collect();
            if let Some(i) = places.get(random.below(places.len())) {
                let mut renamed = name.clone();
                renamed.replace_range(*i..=*i, &digit.to_string());
                weights.tensors.shift_remove(&name);
                weights.tensors.insert(renamed, tensor);
            }
        }
        3 => {
            let cut: Vec<&str> = name.split(['.', '/']).collect();
            let keep = random.below(cut.len());
            weights.tensors.insert(
                cut[..keep].join(".") + ["", ".weight", "/vars/0", ".0.0"][random.below(4)],
                tensor,
            );
        }
        _ => {
            if let Some(config) = &weights.config {
                let text = config.to_string();
                let (from, to) = [
                    ("mmoe", "y0"),
                    ("\"relu\"", "null"),
                    ("[\"y0\"", "[\"tower1\""),
                    ("Dense", "PReLU"),
                    ("inbound_nodes", "x"),
                    ("0,0", "0,7"),
                    ("tower0", "y1"),
                    ("Dense", "BatchNormalization"),
                ][random.below(8)];
                weights.config =
                    serde_json::from_str(&text.replacen(from, to, 1 + random.below(3))).ok();
            }
        }
    }
}

fn assault(name: &str, original: &Weights, rounds: u64, spec: Option<&str>) {
    let spec = spec.map(|s| Spec::parse(s).unwrap());
    let (mut converted, mut refused) = (0, 0);
    for seed in 0..rounds {
        let mut random = Rng::new(seed);
        let mut weights = original.clone();
        for _ in 0..=random.below(3) {
            mutate(&mut weights, &mut random);
        }
        let kept = weights.clone();
        match build(weights, spec.as_ref(), Options::default()) {
            Ok(made) => {
                made.graph.check().unwrap();
                let again = build(
                    kept.clone(),
                    Some(&Spec::parse(&write_spec(&kept, &made)).unwrap()),
                    Options::default(),
                )
                .unwrap();
                assert_eq!(again.graph, made.graph, "{name}, seed {seed}");
                converted += 1;
            }
            Err(e) => {
                assert!(!e.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(
        converted > 0 && refused > 0,
        "{name}: {converted} converted, {refused} refused"
    );
}

const TWO: &str = "[[tasks]]\nname = \"a\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
                   \"b\"\nactivation = \"linear\"\n";

#[test]
fn files_of_frameworks() {
    assault(
        "keras 3",
        &read("keras-hub-recsys/model_keras3.keras"),
        300,
        None,
    );
    assault(
        "keras 2",
        &read("keras-hub-recsys/full_keras2.h5"),
        300,
        None,
    );
    assault(
        "keras-mmoe",
        &read("keras-mmoe-census/weights_keras2.h5"),
        200,
        Some(&TWO.replace("sigmoid", "softmax")),
    );
    let three = format!("{TWO}[[tasks]]\nname = \"c\"\nactivation = \"linear\"\n");
    assault(
        "plain",
        &read("pytorch-edge/model.safetensors"),
        200,
        Some(&three),
    );
    assault(
        "deepctr-torch",
        &read("deepctr-torch-mmoe/model.safetensors"),
        200,
        Some(&three),
    );
}

/// Names and shapes of a file.
type Shapes<'a> = &'a [(&'a str, &'a [usize])];

#[test]
fn small_files_of_every_layout() {
    let layouts: &[(&str, Shapes<'_>)] = &[
        (
            "torch-rechub PLE",
            &[
                ("cgc_layers.0.experts_specific.0.mlp.0.weight", &[2, 3]),
                ("cgc_layers.0.experts_specific.1.mlp.0.weight", &[2, 3]),
                ("cgc_layers.0.experts_shared.0.mlp.0.weight", &[2, 3]),
                ("cgc_layers.0.gates_specific.0.mlp.0.weight", &[2, 3]),
                ("cgc_layers.0.gates_specific.1.mlp.0.weight", &[2, 3]),
                ("towers.0.mlp.0.weight", &[1, 2]),
                ("towers.1.mlp.0.weight", &[1, 2]),
            ],
        ),
        (
            "DeepCTR-Torch PLE",
            &[
                ("specific_experts.0.0.0.linears.0.weight", &[2, 3]),
                ("specific_experts.0.1.0.linears.0.weight", &[2, 3]),
                ("shared_experts.0.0.0.linears.0.weight", &[2, 3]),
                ("specific_gate_dnn_final_layer.0.0.weight", &[2, 3]),
                ("specific_gate_dnn_final_layer.0.1.weight", &[2, 3]),
                ("tower_dnn_final_layer.0.weight", &[1, 2]),
                ("tower_dnn_final_layer.1.weight", &[1, 2]),
            ],
        ),
        (
            "FuxiCTR",
            &[
                ("mmoe_layer.experts.0.mlp.0.weight", &[2, 3]),
                ("mmoe_layer.experts.1.mlp.0.weight", &[2, 3]),
                ("mmoe_layer.gate.0.mlp.0.weight", &[2, 3]),
                ("mmoe_layer.gate.1.mlp.0.weight", &[2, 3]),
                ("tower.0.mlp.0.weight", &[1, 2]),
                ("tower.1.mlp.0.weight", &[1, 2]),
            ],
        ),
        (
            "LibMTL",
            &[
                ("experts_shared.0.weight", &[2, 3]),
                ("experts_shared.1.weight", &[2, 3]),
                ("_z_logits.a.weight", &[1, 3]),
                ("_w_logits.a.weight", &[1, 3]),
                ("_z_logits.b.weight", &[1, 3]),
                ("_w_logits.b.weight", &[1, 3]),
                ("decoders.a.weight", &[1, 2]),
                ("decoders.b.weight", &[1, 2]),
            ],
        ),
        (
            "pytorch-mmoe",
            &[
                ("expert_kernels", &[3, 2, 4]),
                ("expert_kernels_bias", &[2, 4]),
                ("gate_kernels.0", &[3, 4]),
                ("gate_kernels.1", &[3, 4]),
                ("towers.0.weight", &[1, 2]),
                ("towers.1.weight", &[1, 2]),
            ],
        ),
    ];
    for (name, shapes) in layouts {
        assault(name, &made(shapes), 2000, Some(TWO));
    }
}
