//! LibMTL: `MMoE`, `CGC` and `DSelect_k`, with encoders and decoders of the user's own.

use super::Found;
use super::modules::Style;
use super::names::{Names, softmax_gate, unit};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{
    ActivationPlan, GateKindPlan, LayerPlan, Level, Part, Plan, Reads, TaskPlan, TensorRef,
};

const USER: Style = Style::user();

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    let any = |prefix: &str| weights.tensors.keys().any(|n| n.starts_with(prefix));
    if any("encoder.") && any("decoders.") && !any("experts_shared.") {
        return Some(shared(names("LibMTL HPS")));
    }
    if !any("experts_shared.0.") {
        return None;
    }
    if any("_z_logits.") {
        return Some(found(names("LibMTL DSelect_k"), "_z_logits."));
    }
    if any("gate_specific.") {
        let framework = if any("experts_specific.") {
            "LibMTL CGC"
        } else {
            "LibMTL MMoE"
        };
        return Some(found(names(framework), "gate_specific."));
    }
    None
}

fn found(names: Names<'_>, gates: &str) -> Result<Found, ModelError> {
    let expert = |at: &str| names.module(at, USER);
    let mut level = Level::default();
    for i in 0..names.count("experts_shared.")? {
        level.experts.push(unit(
            format!("shared_{i}"),
            expert(&format!("experts_shared.{i}"))?,
        ));
    }
    let shared: Vec<usize> = (0..level.experts.len()).collect();
    let (mut towers, mut tasks) = (Vec::new(), Vec::new());
    for (t, task) in names.words(gates).into_iter().enumerate() {
        let mut sees = shared.clone();
        for j in 0..names.count(&format!("experts_specific.{task}."))? {
            sees.push(level.experts.len());
            level.experts.push(unit(
                format!("{task}_{j}"),
                expert(&format!("experts_specific.{task}.{j}"))?,
            ));
        }
        let gate = |layer| unit(format!("gate of `{task}`"), vec![layer]);
        level.gates.push(if gates == "_z_logits." {
            let (layer, k) = dselect(&names, &task)?;
            let mut gate = softmax_gate(gate(layer), sees);
            gate.kind = GateKindPlan::DSelectK { k };
            gate
        } else {
            softmax_gate(
                gate(names.linear(&format!("{gates}{task}.0"), ActivationPlan::Linear)),
                sees,
            )
        });
        let mut tower = unit(
            format!("tower of `{task}`"),
            names.module(&format!("decoders.{task}"), USER.ending_raw())?,
        );
        tower.reads = Reads::Stream(t);
        towers.push(tower);
        tasks.push(TaskPlan::new(task, None));
    }
    let plan = Plan {
        name: "model".into(),
        levels: vec![level],
        towers,
        tasks,
        ..Plan::default()
    };
    let mut found = Found {
        framework: names.framework,
        plan,
        tasks_named: true,
        ..Found::default()
    };
    found.habits.source = "LibMTL leaves encoders and decoders to the user";
    Ok(found)
}

/// Hard parameter sharing: one encoder, and a decoder per task.
fn shared(names: Names<'_>) -> Result<Found, ModelError> {
    let mut towers = Vec::new();
    let mut tasks = Vec::new();
    for task in names.words("decoders.") {
        towers.push(names.module(&format!("decoders.{task}"), USER.ending_raw())?);
        tasks.push(TaskPlan::new(task, None));
    }
    let encoder = names.module("encoder", USER)?;
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, vec![encoder], Vec::new(), towers, tasks)?,
        tasks_named: true,
        ..Found::default()
    };
    found.habits.source = "LibMTL leaves encoders and decoders to the user";
    Ok(found)
}

/// Selector inputs and mixing logits, one below the other, and how many selectors there are.
fn dselect(names: &Names<'_>, task: &str) -> Result<(LayerPlan, usize), ModelError> {
    let rows = |end: &str| {
        TensorRef::Rows(
            ["_z_logits", "_w_logits"]
                .map(|p| Part::new(format!("{p}.{task}.{end}")))
                .into(),
        )
    };
    let k = *names
        .shape(&format!("_w_logits.{task}.weight"))
        .first()
        .ok_or_else(|| {
            names.wrong(
                &format!("`_w_logits.{task}.weight` is missing"),
                "save the whole state dict",
            )
        })?;
    let bias = names
        .has(&format!("_z_logits.{task}.bias"))
        .then(|| rows("bias"));
    Ok((
        LayerPlan {
            weight: Some(rows("weight")),
            bias,
            ..LayerPlan::default()
        },
        k,
    ))
}
