//! The page.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use mmoe::blob::LayerRecord;
use mmoe_tools::cost;
use mmoe_tools::describe;
use mmoe_tools::gate_stats::GateStats;
use mmoe_tools::text::{count, grouped, rounded, short};

use super::{Against, Histograms, Quality, Report, chart, drawing};
use crate::commands::output::quality::{figures, names};

const STYLE: &str = include_str!("report.css");

pub(super) fn page(r: &Report<'_>) -> Markup {
    let id = r.runner.model.blob().id();
    let name = if id.name.is_empty() {
        "(no name)"
    } else {
        id.name
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (name) " · mmoe report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        h1 { (name) }
                        p { (r.path.display()) ": version " (id.version) ", checksum " code { (format!("{:08x}", id.checksum)) } ", " (r.runner.precision()) ", by " (describe::producer(r.runner)) }
                    }
                    (summary(r))
                    section { h2 { "Architecture" } (drawing::draw(r.runner.model.blob())) }
                    (fields(r))
                    (cores(r))
                    (quality(r))
                    (gates(r))
                    (integers(r))
                    (layers(r))
                }
            }
        }
    }
}

/// The fields of a record: what each takes, and what its values were on the rows.
fn fields(r: &Report<'_>) -> Markup {
    let fields = describe::fields(r.runner);
    let values = |name: &str| {
        let tally = r.tally.as_ref()?;
        tally.fields.iter().find(|f| f.name == name)
    };
    html! {
        @if !fields.is_empty() {
            section {
                h2 { "Fields" }
                table {
                    thead { tr { th { "field" } th { "given" } th { "codes" } th { "makes" } th { "bytes" } th { "size of a number" } @if let Some(tally) = &r.tally { th { "on " (count(tally.records as usize, "record")) } } } }
                    tbody {
                        @for f in &fields {
                            tr {
                                td { (f.name) } td { (f.given) } td { (f.codes) } td { (f.makes) }
                                td { (grouped(f.bytes as u64)) }
                                td { @if let Some(size) = f.size { (short(size)) } }
                                @if r.tally.is_some() { td { @if let Some(v) = values(&f.name) { (v.text()) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What a reader needs first.
fn summary(r: &Report<'_>) -> Markup {
    let c = r.cost;
    let warnings = r
        .gating
        .iter()
        .flat_map(|(g, _)| g.warnings())
        .chain(tight(r))
        .collect::<Vec<_>>();
    html! {
        section {
            h2 { "In short" }
            dl {
                dt { "tasks" }
                dd { @for (i, t) in r.runner.tasks.iter().enumerate() { @if i > 0 { ", " } (t.name) " (" (t.output.name()) ")" } }
                dt { "size" }
                dd { (grouped(c.parameters)) " parameters, " (grouped(c.macs)) " multiply-accumulates a row" }
                dt { "flash" }
                dd { (grouped(c.blob as u64)) " bytes of blob" }
                dt { "RAM" }
                dd {
                    @if let Some(typed) = c.typed_ram { (grouped(typed as u64)) " bytes of stack buffers as a typed model, " }
                    (grouped(c.erased_ram as u64)) " bytes of scratch shape-erased"
                }
                @if let Some(a) = &r.against {
                    dt { "against " (a.name) }
                    dd { "worst difference of an output " (format!("{:.2e}", worst(a))) }
                }
                dt { "self-test" }
                dd {
                    @match &r.self_test {
                        None => { "none stored (" code { "convert --self-test 4" } ")" }
                        Some(Ok(rows)) => { (count(*rows as usize, "row")) ", passed on this host" }
                        Some(Err(e)) => { strong { (e) } }
                    }
                }
            }
            @let assumed = describe::assumed(r.runner);
            @if !assumed.is_empty() {
                p { "Assumed at conversion, and compared with no outputs of the framework:" }
                ul class="warnings" { @for a in &assumed { li { (a) } } }
            }
            @if !warnings.is_empty() {
                ul class="warnings" { @for w in &warnings { li { (w) } } }
            }
            @if r.rows.is_none() {
                p class="note" { "Run on no rows: " code { "--data D.npz" } " adds what the gates do, and with labels also quality and calibration." }
            }
            @if r.against.is_none() {
                p class="note" { code { "--reference F32.mmoe" } " with rows adds differences from the float model." }
            }
        }
    }
}

fn worst(a: &Against) -> f64 {
    a.tasks.iter().map(|t| t.worst).fold(0.0, f64::max)
}

/// Accumulators that are nearly full.
fn tight(r: &Report<'_>) -> impl Iterator<Item = String> {
    let reports = describe::quantization(r.runner.model.blob())
        .into_iter()
        .filter(|(_, q)| q.margin < 0.5);
    reports.map(|(name, q)| {
        format!(
            "the accumulator of {name} has only 2^{:.1} to spare on the proven inputs",
            q.margin
        )
    })
}

fn cores(r: &Report<'_>) -> Markup {
    html! {
        section {
            h2 { "Cost on a core" }
            div class="scroll" {
                table {
                    caption { "Estimated from models measured in emulation. Instructions of one row from features, all experts run; flash is blob and code; stack with the calls' own." }
                    thead { tr { th scope="col" { "core" } th scope="col" { "opt-level" } th scope="col" { "instructions" } th scope="col" { "within" } th scope="col" { "ms at 64 MHz" } th scope="col" { "flash" } th scope="col" { "stack" } } }
                    tbody {
                        @for (core, level, e) in &r.estimates {
                            tr {
                                th scope="row" { (core) }
                                td { (level) }
                                td { (grouped(rounded(e.predict))) }
                                td { (format!("{:.0} %", (100.0 * e.error).ceil())) }
                                td { (format!("{:.2}–{:.2}", e.predict * mmoe_tools::cost::cores::CYCLES.0 / 64e3, e.predict * mmoe_tools::cost::cores::CYCLES.1 / 64e3)) }
                                td { (grouped(r.cost.blob as u64 + e.code)) }
                                td { (grouped(e.stack)) }
                            }
                        }
                    }
                }
            }
            p class="note" { "The times take " (mmoe_tools::cost::cores::CYCLES.0) " to " (mmoe_tools::cost::cores::CYCLES.1) " cycles an instruction and no wait states; flash that is slower than the core takes more." }
        }
    }
}

fn quality(r: &Report<'_>) -> Markup {
    let tasks = &r.runner.tasks;
    html! {
        @if let Some(Quality { judged, curves }) = &r.quality {
            section {
                h2 { "Quality" }
                div class="scroll" {
                    table {
                        caption { (rows(r)) }
                        thead { tr { th scope="col" { "task" } th scope="col" class="words" { "measured" } } }
                        tbody {
                            @for (t, q) in tasks.iter().zip(judged) {
                                tr {
                                    th scope="row" { (t.name) }
                                    td class="words" { (measured(q)) }
                                }
                            }
                        }
                    }
                }
                @if !curves.is_empty() {
                    h3 { "Calibration" }
                    p class="note" { "The rows in ten equal parts by prediction: a curve on the dashed diagonal predicts what happens; above it, it predicts too little." }
                    div class="curves" { @for (task, curve) in curves { (curve.draw(task)) } }
                }
            }
        }
        @if let Some(a) = &r.against {
            section {
                h2 { "Against the reference" }
                div class="scroll" {
                    table {
                        caption { "Differences of the outputs from those of " (a.name) "; " (rows(r)) }
                        thead { tr { th scope="col" { "task" } th scope="col" { "worst" } th scope="col" { "mean" } @if a.judged.is_some() { th scope="col" class="words" { "the reference itself" } } } }
                        tbody {
                            @for (i, (t, apart)) in tasks.iter().zip(&a.tasks).enumerate() {
                                tr {
                                    th scope="row" { (t.name) }
                                    td { (format!("{:.2e}", apart.worst)) }
                                    td { (format!("{:.2e}", apart.mean)) }
                                    @if let Some(q) = a.judged.as_ref().and_then(|j| j.get(i)) { td class="words" { (measured(q)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The figures in words.
fn measured(q: &mmoe_tools::quality::Quality) -> String {
    let figures = names(q).iter().zip(figures(q));
    let figures: Vec<String> = figures
        .map(|(what, value)| format!("{what} {value}"))
        .collect();
    figures.join(", ")
}

fn rows(r: &Report<'_>) -> String {
    r.rows.as_ref().map_or_else(String::new, |(n, path)| {
        format!("{} of {path}", count(*n, "row"))
    })
}

fn gates(r: &Report<'_>) -> Markup {
    let Some((g, average)) = &r.gating else {
        return html! {};
    };
    html! {
        section {
            h2 { "Gates" }
            p class="note" {
                "Mean weight of each expert; " (rows(r)) ", on average " (format!("{average:.2}")) " of " (count(g.experts, "expert"))
                " run. Entropy: 0 where one expert has all, 1 where all have the same."
            }
            @for level in levels(&g.gates) {
                @let experts = span(level);
                div class="scroll" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "gate" }
                                @for e in experts.clone() { th scope="col" { "expert " (e) } }
                                th scope="col" { "entropy" }
                            }
                        }
                        tbody {
                            @for gate in level {
                                @let mean = gate.mean();
                                tr {
                                    th scope="row" { (gate.name) }
                                    @for e in experts.clone() { (chart::heat(gate.experts.iter().position(|x| *x == e).map(|i| mean[i]))) }
                                    td { (format!("{:.3}", gate.entropy())) }
                                }
                            }
                        }
                    }
                }
            }
            @let correlations = g.correlations();
            @if !correlations.is_empty() {
                p class="note" {
                    "Correlation between gates (1: the tasks use the experts alike): "
                    @for (i, (a, b, c)) in correlations.iter().enumerate() {
                        @if i > 0 { ", " }
                        (g.gates[*a].name) " and " (g.gates[*b].name) " "
                        @match c { Some(c) => { (format!("{c:.3}")) } None => { "(one never moves)" } }
                    }
                }
            }
        }
    }
}

/// The experts that some of these gates see, from the first to the last.
fn span(gates: &[GateStats]) -> std::ops::Range<usize> {
    let all = || gates.iter().flat_map(|g| g.experts.iter().copied());
    all().min().unwrap_or(0)..all().max().map_or(0, |e| e + 1)
}

/// Gates level by level: those of the next level see experts behind all of this one's.
fn levels(gates: &[GateStats]) -> Vec<&[GateStats]> {
    let mut levels = Vec::new();
    let mut from = 0;
    for at in 1..=gates.len() {
        if at == gates.len() || span(&gates[at..=at]).start >= span(&gates[from..at]).end {
            levels.push(&gates[from..at]);
            from = at;
        }
    }
    levels
}

/// What the quantizer proved and measured.
fn integers(r: &Report<'_>) -> Markup {
    let reports = describe::quantization(r.runner.model.blob());
    if reports.is_empty() {
        return html! {};
    }
    html! {
        section {
            h2 { "Integers" }
            div class="scroll" {
                table {
                    caption { "Per dense layer: bits of a weight, the step of its output, how much room its accumulator has on inputs in range and on any inputs (below 2^0: proven in range only), and how far the weights' rounding noise is below the signal." }
                    thead { tr { th scope="col" { "layer" } th scope="col" { "bits" } th scope="col" { "output step" } th scope="col" { "room" } th scope="col" { "for any input" } th scope="col" { "signal to noise" } } }
                    tbody {
                        @for (name, q) in &reports {
                            tr {
                                th scope="row" { (name) }
                                td { (q.weight_bits) }
                                td { (short(f64::from(q.step))) }
                                td { (format!("2^{:.1}", q.margin)) }
                                td { (format!("2^{:.1}", q.margin_any)) }
                                td { (format!("{:.0} dB", q.snr)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn layers(r: &Report<'_>) -> Markup {
    let blob = r.runner.model.blob();
    let steps = describe::nodes(blob);
    let all = blob.nodes_with_layers().zip(&steps);
    html! {
        section {
            h2 { "Layers" }
            div class="scroll" {
                table {
                    caption { "What each step holds and does, as the blob stores it." }
                    thead { tr { th scope="col" { "step" } th scope="col" class="words" { "layer" } th scope="col" { "precision" } th scope="col" { "parameters" } th scope="col" { "bytes" } th scope="col" { "multiply-accumulates" } } }
                    tbody {
                        @for (node, step) in all {
                            @for (i, layer) in node.layers.iter().enumerate() { (row(step, i, layer)) }
                        }
                    }
                }
            }
            @if let Some(Histograms { of, layers }) = &r.layers {
                h3 { "Distributions" }
                div class="scroll" {
                    table {
                        caption { "Weights of " (of) @if r.rows.is_some() { ", and what its layers make of up to 512 of the rows" } ". Bars show the square root of counts." }
                        thead { tr { th scope="col" { "layer" } th scope="col" class="words" { "weights" } th scope="col" class="words" { "outputs" } } }
                        tbody {
                            @for (name, weights, outputs) in layers {
                                tr {
                                    th scope="row" { (name) }
                                    td class="words" { (weights.draw("weights")) }
                                    td class="words" { @if let Some(o) = outputs { (o.draw("outputs")) } @else { "no rows" } }
                                }
                            }
                        }
                    }
                }
            } @else {
                p class="note" { "An integer model keeps no float weights: " code { "--reference F32.mmoe" } " adds histograms of weights and activations." }
            }
        }
    }
}

fn row(step: &str, index: usize, layer: &LayerRecord) -> Markup {
    html! {
        tr {
            th scope="row" { @if index == 0 { (step) } }
            td class="words" { (describe::layer(layer)) }
            td { (describe::precision(layer)) }
            td { (grouped(cost::parameters(layer))) }
            td { (grouped(layer.weight_bytes().unwrap_or(0) as u64)) }
            td { (grouped(layer.macs())) }
        }
    }
}
