//! The classes of the PyTorch frameworks, as data: DeepCTR-Torch, torch-rechub, FuxiCTR, MTReclib
//! and TorchEasyRec.

use super::modules::Style;
use super::tables::{Outputs, Progressive, Spelled, Stack, Table, Wiring};
use super::wiring::Order;

/// PyTorch's default epsilon of a norm.
const EPSILON: f64 = 1e-5;
const TAKEN: Style = Style::framework(EPSILON);
/// A Dice of FuxiCTR and TorchEasyRec.
const FINE_DICE: Style = Style {
    dice: 1e-9,
    ..TAKEN
};
/// A Dice of DeepCTR-Torch.
const DNN: Style = Style {
    dice: 1e-8,
    ..TAKEN
};
/// A Dice of torch-rechub normalises the row itself.
const RECHUB: Style = Style {
    dice: 1e-3,
    ..TAKEN
};
/// MTReclib writes relu into its classes.
const FIXED: Style = Style {
    open: false,
    ..TAKEN
};

const DNN_SOURCE: &str = "`dnn_activation`, DeepCTR-Torch's default";
const RECHUB_SOURCE: &str = "`activation`, torch-rechub's default";
const FUXI_SOURCE: &str = "`hidden_activations`, FuxiCTR's default";
const FIXED_SOURCE: &str = "as MTReclib's classes have it";
const PERCEPTRON_SOURCE: &str = "`activation`, TorchEasyRec's default";

const LINEAR_MODEL: &[(&str, &str)] = &[(
    "linear_model.",
    "a linear part that this model does not use",
)];
const SPECIFIC_FIRST: Order = Order {
    shared_first: false,
    shared_sees_shared: false,
};

const DNN_TABLE: Table = Table {
    framework: "DeepCTR-Torch MMOE",
    has: &["expert_dnn.0.linears.0.weight"],
    lacks: &[],
    stack: Stack::Dnn,
    style: DNN,
    wiring: Wiring::Mixture {
        experts: Spelled::at("expert_dnn.{}"),
        gates: Spelled::with_last("gate_dnn.{}", "gate_dnn_final_layer.{}"),
    },
    towers: Spelled {
        at: "tower_dnn.{}",
        last: "tower_dnn_final_layer.{}",
        bias: "out.{}.bias",
    },
    outputs: Outputs::Unknown,
    source: DNN_SOURCE,
    before: &["embedding_dict."],
    dead: LINEAR_MODEL,
};

const RECHUB_TABLE: Table = Table {
    framework: "torch-rechub MMOE",
    has: &["experts.0.mlp.0.weight", "gates.0.mlp.0.weight"],
    lacks: &[],
    stack: Stack::Sequential,
    style: RECHUB,
    wiring: Wiring::Mixture {
        experts: Spelled::at("experts.{}.mlp"),
        gates: Spelled::at("gates.{}.mlp"),
    },
    towers: Spelled::at("towers.{}.mlp"),
    outputs: Outputs::Unknown,
    source: RECHUB_SOURCE,
    before: &["embedding.embed_dict."],
    dead: &[],
};

const FUXI_TABLE: Table = Table {
    framework: "FuxiCTR MMoE",
    has: &["mmoe_layer.experts."],
    lacks: &[],
    stack: Stack::Sequential,
    style: FINE_DICE,
    wiring: Wiring::Mixture {
        experts: Spelled::at("mmoe_layer.experts.{}.mlp"),
        gates: Spelled::at("mmoe_layer.gate.{}.mlp"),
    },
    towers: Spelled::at("tower.{}.mlp"),
    outputs: Outputs::Unknown,
    source: FUXI_SOURCE,
    before: &["embedding_layer."],
    dead: &[],
};

const MTRECLIB_TABLE: Table = Table {
    framework: "MTReclib MMoE",
    has: &["expert.0.mlp.", "gate.0.0.weight"],
    lacks: &[],
    stack: Stack::Sequential,
    style: FIXED,
    wiring: Wiring::Mixture {
        experts: Spelled::at("expert.{}.mlp"),
        gates: Spelled::with_last("", "gate.{}.0"),
    },
    towers: Spelled::at("tower.{}.mlp"),
    outputs: Outputs::Sigmoid,
    source: FIXED_SOURCE,
    before: &["embedding.", "numerical_layer."],
    dead: &[],
};

const PERCEPTRON_TABLE: Table = Table {
    framework: "TorchEasyRec MMoE",
    has: &["mmoe.expert_mlps.0.mlp.0.perceptron.0.weight"],
    lacks: &[],
    stack: Stack::Perceptrons,
    style: FINE_DICE,
    wiring: Wiring::Mixture {
        experts: Spelled::at("mmoe.expert_mlps.{}"),
        gates: Spelled::with_last("mmoe.gate_mlps.{}", "mmoe.gate_finals.{}"),
    },
    towers: Spelled::with_last("_task_tower.{}.tower_mlp", "_task_tower.{}.linear"),
    outputs: Outputs::Unknown,
    source: PERCEPTRON_SOURCE,
    before: &["embedding_group."],
    dead: &[],
};

/// In order: the more particular signature first.
pub(super) const TABLES: &[Table] = &[
    DNN_TABLE,
    Table {
        framework: "DeepCTR-Torch PLE",
        has: &["specific_experts.0."],
        wiring: Wiring::Extraction(Progressive {
            specific: "specific_experts.{}.{}.{}",
            flat: false,
            // As many shared experts are built as a task has of its own; the gate says how many of
            // them run.
            shared: "shared_experts.{}.0.{}",
            gates: Spelled::with_last(
                "specific_gate_dnn.{}.{}.0",
                "specific_gate_dnn_final_layer.{}.{}",
            ),
            shared_gate: Spelled::with_last("shared_gate_dnn.{}", "shared_gate_dnn_final_layer.{}"),
            levels: "specific_experts.{}",
            order: SPECIFIC_FIRST,
        }),
        ..DNN_TABLE
    },
    Table {
        framework: "DeepCTR-Torch SharedBottom",
        has: &["bottom_dnn.linears.0.weight"],
        wiring: Wiring::Bottom(Spelled::at("bottom_dnn")),
        ..DNN_TABLE
    },
    Table {
        framework: "DeepCTR-Torch ESMM",
        has: &["ctr_dnn.linears.0.weight", "cvr_dnn.linears.0.weight"],
        wiring: Wiring::Towers,
        towers: Spelled {
            at: "{}_dnn",
            last: "{}_dnn_final_layer",
            bias: "out.bias",
        },
        outputs: Outputs::Product(["ctr", "cvr"], "ctcvr", [0, 1]),
        ..DNN_TABLE
    },
    RECHUB_TABLE,
    Table {
        framework: "torch-rechub PLE",
        has: &["cgc_layers.0.gates_specific."],
        wiring: Wiring::Extraction(Progressive {
            specific: "cgc_layers.{}.experts_specific.{}.mlp",
            flat: true,
            shared: "cgc_layers.{}.experts_shared.{}.mlp",
            gates: Spelled::at("cgc_layers.{}.gates_specific.{}.mlp"),
            shared_gate: Spelled::at("cgc_layers.{}.gate_shared.mlp"),
            levels: "cgc_layers.{}",
            order: SPECIFIC_FIRST,
        }),
        ..RECHUB_TABLE
    },
    Table {
        framework: "torch-rechub SharedBottom",
        has: &["bottom_mlp.mlp.0.weight"],
        wiring: Wiring::Bottom(Spelled::at("bottom_mlp.mlp")),
        ..RECHUB_TABLE
    },
    Table {
        framework: "torch-rechub ESMM",
        has: &["tower_cvr.mlp.0.weight", "tower_ctr.mlp.0.weight"],
        wiring: Wiring::Towers,
        towers: Spelled::at("tower_{}.mlp"),
        outputs: Outputs::Product(["cvr", "ctr"], "ctcvr", [1, 0]),
        ..RECHUB_TABLE
    },
    Table {
        framework: "torch-rechub AITM",
        has: &["info_gates.0.", "aits.0."],
        wiring: Wiring::Transfer {
            bottoms: Spelled::at("bottoms.{}.mlp"),
            info: Spelled::at("info_gates.{}.mlp"),
            query: "aits.{}.q_layer",
            key: "aits.{}.k_layer",
            value: "aits.{}.v_layer",
        },
        ..RECHUB_TABLE
    },
    FUXI_TABLE,
    Table {
        framework: "FuxiCTR PLE",
        has: &["cgc_layers.0.specific_experts.", "cgc_layers.0.gate."],
        wiring: Wiring::Extraction(Progressive {
            specific: "cgc_layers.{}.specific_experts.{}.{}.mlp",
            flat: false,
            shared: "cgc_layers.{}.shared_experts.{}.mlp",
            gates: Spelled::at("cgc_layers.{}.gate.{}.mlp"),
            shared_gate: Spelled::at("cgc_layers.{}.gate.{tasks}.mlp"),
            levels: "cgc_layers.{}",
            // The paper's shared gate mixes all experts, this framework's the shared ones.
            order: Order {
                shared_first: false,
                shared_sees_shared: true,
            },
        }),
        ..FUXI_TABLE
    },
    Table {
        framework: "FuxiCTR ShareBottom",
        has: &["bottom.mlp.", "embedding_layer."],
        wiring: Wiring::Bottom(Spelled::at("bottom.mlp")),
        ..FUXI_TABLE
    },
    Table {
        framework: "MTReclib PLE",
        has: &["task_experts.0.0.0.mlp."],
        wiring: Wiring::Extraction(Progressive {
            specific: "task_experts.{}.{}.{}.mlp",
            flat: false,
            shared: "share_experts.{}.{}.mlp",
            gates: Spelled::with_last("", "task_gates.{}.{}.0"),
            shared_gate: Spelled::with_last("", "share_gates.{}.0"),
            levels: "task_experts.{}",
            order: SPECIFIC_FIRST,
        }),
        ..MTRECLIB_TABLE
    },
    MTRECLIB_TABLE,
    Table {
        framework: "MTReclib OMoE",
        has: &["expert.0.mlp.", "gate.0.weight"],
        wiring: Wiring::Mixture {
            experts: Spelled::at("expert.{}.mlp"),
            gates: Spelled::with_last("", "gate.0"),
        },
        ..MTRECLIB_TABLE
    },
    Table {
        framework: "MTReclib AITM",
        has: &["bottom.0.mlp.", "h1.", "h2.", "h3."],
        wiring: Wiring::Transfer {
            bottoms: Spelled::at("bottom.{}.mlp"),
            info: Spelled::with_last("", "g.{}"),
            query: "h3",
            key: "h2",
            value: "h1",
        },
        ..MTRECLIB_TABLE
    },
    Table {
        framework: "MTReclib SingleTask",
        has: &["bottom.0.mlp.", "tower.0.mlp.", "embedding.1."],
        wiring: Wiring::Joined {
            what: "one model per task, each with an input vector of its own behind embeddings of \
                   its own,",
            remedy: "make one blob per task: a spec with one [[tasks]] and one tower that lists \
                     the layers of its `bottom` and its `tower` (`mmoe inspect WEIGHTS \
                     --write-spec S.toml` drafts them), `ignore` for the others, and rows with \
                     that task's vector",
        },
        ..MTRECLIB_TABLE
    },
    Table {
        framework: "MTReclib SingleTask",
        has: &["bottom.0.mlp.", "tower.0.mlp."],
        wiring: Wiring::Bottoms(Spelled::at("bottom.{}.mlp")),
        ..MTRECLIB_TABLE
    },
    Table {
        framework: "MTReclib SharedBottom",
        has: &["bottom.mlp.", "numerical_layer."],
        wiring: Wiring::Bottom(Spelled::at("bottom.mlp")),
        ..MTRECLIB_TABLE
    },
    PERCEPTRON_TABLE,
    Table {
        framework: "TorchEasyRec PLE",
        has: &["_extraction_nets.0._task_layers."],
        wiring: Wiring::Extraction(Progressive {
            specific: "_extraction_nets.{}._task_layers.{}.{}",
            flat: false,
            shared: "_extraction_nets.{}._shared_layers.{}",
            gates: Spelled::with_last("", "_extraction_nets.{}._task_gates.{}"),
            shared_gate: Spelled::with_last("", "_extraction_nets.{}._shared_gate"),
            levels: "_extraction_nets.{}",
            order: SPECIFIC_FIRST,
        }),
        ..PERCEPTRON_TABLE
    },
    Table {
        framework: "TorchEasyRec DBMTL",
        has: &["relation_mlps."],
        wiring: Wiring::Joined {
            what: "DBMTL, a tower that reads another tower's hidden output,",
            remedy: "towers read mixtures, or one vector that enters them all; a task may be the \
                     product of two others (ESMM)",
        },
        ..PERCEPTRON_TABLE
    },
];
