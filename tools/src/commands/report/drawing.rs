//! The architecture as a drawing: columns of boxes from the input to the tasks.

use std::collections::HashMap;

use maud::{Markup, html};
use mmoe::blob::{Blob, LayerRecord, NodeOp, NodeRecord, OutputKind, TaskRecord};
use mmoe_tools::describe;

const WIDTH: usize = 170;
const HEIGHT: usize = 42;
const GAP: usize = 12;
const BETWEEN: usize = 90;

/// A box: what is written in it, and what it reads.
struct Part {
    class: &'static str,
    title: String,
    about: String,
    /// The values that flow into it.
    reads: Vec<usize>,
    /// The value that only steers it.
    steered_by: Option<usize>,
}

/// What a step's layers make of its input, such as `64→64→32 relu`, or `[6..16]→8` of a part of it.
fn about(node: &NodeRecord, layers: &[LayerRecord], of: usize) -> String {
    let (start, inputs) = (node.start.get(), node.inputs.get());
    let whole = start == 0 && usize::from(inputs) == of;
    let mut text = if whole {
        inputs.to_string()
    } else {
        format!("[{start}..{}]", u32::from(start) + u32::from(inputs))
    };
    for layer in layers {
        text += &format!("→{}", layer.outputs.get());
    }
    match layers.last() {
        None => text + " as it is",
        Some(l) if node.is_expert() => format!("{text} {}", describe::activation(l)),
        Some(_) => text,
    }
}

/// The columns; a value is the number of its box among all steps plus one, 0 the input, those
/// behind the steps the products.
fn columns(blob: &Blob<'_>) -> Vec<Vec<(usize, Part)>> {
    let input = blob.input_count();
    let text = |name| String::from_utf8_lossy(name).into_owned();
    let names: Vec<String> = blob.task_names().map(text).collect();
    let part = |class, title: String, about| Part {
        class,
        title,
        about,
        reads: Vec::new(),
        steered_by: None,
    };
    let mut columns = vec![vec![(
        0,
        part("input", "input".into(), format!("{input} features")),
    )]];
    let role = |n: &NodeRecord| {
        if n.is_expert() {
            0
        } else if n.is_tower() {
            2
        } else {
            1
        }
    };
    let (mut last, mut numbers) = (None, [0; 3]);
    for node in blob.nodes_with_layers() {
        let (at, node, layers) = (node.index, node.record, node.layers);
        if last != Some(role(node)) {
            columns.push(Vec::new());
            last = Some(role(node));
        }
        let about = about(node, layers, blob.value_width(node.src.into()).unwrap_or(0));
        let number = numbers[role(node)];
        numbers[role(node)] += 1;
        let mut made = match role(node) {
            0 => part("expert", format!("expert {number}"), about),
            1 => part(
                "gate",
                format!("gate {number}: {}", node.op().map_or("?", NodeOp::name)),
                format!("{about} → mixture of {}", node.outputs.get()),
            ),
            _ => {
                let task = blob.tasks.iter().position(|t| t.tower() == Some(at));
                let name = task.and_then(|t| names.get(t)).map_or("?", String::as_str);
                let kind = task.map_or("", |t| kind(&blob.tasks[t]));
                part("tower", name.to_owned(), format!("{about} {kind}"))
            }
        };
        if role(node) == 1 {
            made.steered_by = Some(usize::from(node.src));
            made.reads = node.seen_values().collect();
        } else {
            made.reads = vec![usize::from(node.src)];
        }
        columns
            .last_mut()
            .expect("pushed above")
            .push((at + 1, made));
    }
    let products: Vec<(usize, Part)> = (blob.tasks.iter().enumerate().zip(&names))
        .filter(|((_, t), _)| t.factors().is_some())
        .map(|((i, t), name)| {
            let factor = |task: u8| usize::from(blob.tasks[usize::from(task)].a);
            let mut made = part("tower", name.clone(), "product".into());
            made.reads = vec![factor(t.a), factor(t.b)];
            (blob.nodes.len() + 1 + i, made)
        })
        .collect();
    if !products.is_empty() {
        columns.push(products);
    }
    columns
}

fn kind(task: &TaskRecord) -> &'static str {
    task.output().map_or("?", OutputKind::name)
}

/// The drawing, `role="img"`, with the wiring in words as its description.
pub(super) fn draw(blob: &Blob<'_>) -> Markup {
    let columns = columns(blob);
    let tallest = columns.iter().map(Vec::len).max().unwrap_or(1);
    let high = tallest * (HEIGHT + GAP) + GAP;
    let wide = columns.len() * (WIDTH + BETWEEN) - BETWEEN + 2 * GAP;
    let mut places: HashMap<usize, (usize, usize)> = HashMap::new();
    for (c, column) in columns.iter().enumerate() {
        let above = (high - column.len() * (HEIGHT + GAP) + GAP) / 2;
        for (r, (value, _)) in column.iter().enumerate() {
            places.insert(
                *value,
                (GAP + c * (WIDTH + BETWEEN), above + r * (HEIGHT + GAP)),
            );
        }
    }
    let parts = || columns.iter().flatten();
    let line = |from: usize, to: usize| -> Option<String> {
        let ((x, y), (u, v)) = (places.get(&from)?, places.get(&to)?);
        let (x, y, v) = (x + WIDTH, y + HEIGHT / 2, v + HEIGHT / 2);
        let bend = BETWEEN * 2 / 3;
        Some(format!(
            "M{x} {y} C{} {y} {} {v} {u} {v}",
            x + bend,
            u.saturating_sub(bend)
        ))
    };
    html! {
        div class="scroll" {
            svg class="drawing" role="img" viewBox=(format!("0 0 {wide} {high}")) style=(format!("min-width:{}px;max-width:{}px", wide * 6 / 10, wide * 5 / 4)) {
                title { "Architecture" }
                desc {
                    @for (_, part) in parts() {
                        (part.title) ": " (part.about) ". "
                    }
                }
                @for (value, part) in parts() {
                    @for from in &part.reads {
                        @if let Some(d) = line(*from, *value) { path class="flow" d=(d) {} }
                    }
                    @if let Some(d) = part.steered_by.and_then(|from| line(from, *value)) { path class="steer" d=(d) {} }
                }
                @for (value, part) in parts() {
                    @if let Some((x, y)) = places.get(value) {
                        g class=(part.class) {
                            rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="5" {}
                            text x=(x + 8) y=(y + 17) class="name" { (cut(&part.title, 22)) }
                            text x=(x + 8) y=(y + 33) { (cut(&part.about, 28)) }
                        }
                    }
                }
            }
        }
        p class="note" { "Solid lines carry values. A dashed line is what a gate reads to weigh the experts that flow into it." }
    }
}

/// What fits a box: so many letters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        text.to_owned()
    } else {
        text.chars().take(most - 1).chain(['…']).collect()
    }
}
