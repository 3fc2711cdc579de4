//! The architecture as a drawing: columns of boxes from the input to the tasks.

use std::collections::HashMap;

use maud::{Markup, html};
use mmoe::blob::{NodeOp, OutputKind};
use mmoe_tools::blob::message::{Header, Layer, Node, Task};
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
fn about(node: &Node, layers: &[Layer], of: u32) -> String {
    let whole = node.start == 0 && u32::from(node.inputs) == of;
    let mut text = if whole {
        node.inputs.to_string()
    } else {
        format!(
            "[{}..{}]",
            node.start,
            u32::from(node.start) + u32::from(node.inputs)
        )
    };
    for layer in layers {
        text += &format!("→{}", layer.outputs);
    }
    match layers.last() {
        None => text + " as it is",
        Some(l) if node.record().is_expert() => format!("{text} {}", describe::activation(l)),
        Some(_) => text,
    }
}

/// The columns; a value is the number of its box among all steps plus one, 0 the input, those
/// behind the steps the products.
fn columns(header: &Header) -> Vec<Vec<(usize, Part)>> {
    let input: u32 = header.inputs.iter().map(|i| i.count).sum();
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
    let role = |n: &Node| {
        if n.record().is_expert() {
            0
        } else if n.record().is_tower() {
            2
        } else {
            1
        }
    };
    let (mut last, mut numbers) = (None, [0; 3]);
    for (at, (node, layers)) in header.nodes_with_layers().enumerate() {
        if last != Some(role(node)) {
            columns.push(Vec::new());
            last = Some(role(node));
        }
        let about = about(node, layers, width(header, usize::from(node.src)));
        let number = numbers[role(node)];
        numbers[role(node)] += 1;
        let mut made = match role(node) {
            0 => part("expert", format!("expert {number}"), about),
            1 => part(
                "gate",
                format!(
                    "gate {number}: {}",
                    node.record().op().map_or("?", NodeOp::name)
                ),
                format!("{about} → mixture of {}", node.outputs),
            ),
            _ => {
                let task = header
                    .tasks
                    .iter()
                    .position(|t| t.record().tower() == Some(at));
                let name = task
                    .and_then(|t| header.task_names.get(t))
                    .map_or("?", String::as_str);
                let kind = task.map_or("", |t| kind(&header.tasks[t]));
                part("tower", name.to_owned(), format!("{about} {kind}"))
            }
        };
        if role(node) == 1 {
            made.steered_by = Some(usize::from(node.src));
            made.reads = node.record().seen_values().collect();
        } else {
            made.reads = vec![usize::from(node.src)];
        }
        columns
            .last_mut()
            .expect("pushed above")
            .push((at + 1, made));
    }
    let products: Vec<(usize, Part)> = (header.tasks.iter().enumerate().zip(&header.task_names))
        .filter(|((_, t), _)| t.record().factors().is_some())
        .map(|((i, t), name)| {
            let factor = |task: u8| usize::from(header.tasks[usize::from(task)].a);
            let mut made = part("tower", name.clone(), "product".into());
            made.reads = vec![factor(t.a), factor(t.b)];
            (header.nodes.len() + 1 + i, made)
        })
        .collect();
    if !products.is_empty() {
        columns.push(products);
    }
    columns
}

fn width(header: &Header, value: usize) -> u32 {
    match value.checked_sub(1) {
        None => header.inputs.iter().map(|i| i.count).sum(),
        Some(n) => header.nodes.get(n).map_or(0, |n| u32::from(n.outputs)),
    }
}

fn kind(task: &Task) -> &'static str {
    task.record().output().map_or("?", OutputKind::name)
}

/// The drawing, `role="img"`, with the wiring in words as its description.
pub(super) fn draw(header: &Header) -> Markup {
    let columns = columns(header);
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
