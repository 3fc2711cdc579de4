//! Conversions that keep the Rust type of an earlier blob.
//!
//! How wide a layer's integers are depends on its weights, so a model that is trained once more may
//! come out as another Rust type, which a program built for the earlier one refuses. A conversion
//! made here does not choose: it takes the earlier blob's choices, and [`differences`] says in which
//! points the new model cannot follow.

use mmoe::blob::{
    Blob, FeatureRecord, LayerKind, LayerRecord, Names, NodeOp, NodeRecord, OutputKind,
    PackingKind, PrecisionKind, TaskRecord,
};

use crate::convert::{Conversion, Precision};
use crate::describe;

/// Returns the conversion whose blobs have the type of this blob: its precision, its packing, and
/// int8, 16-bit or f32 weights layer by layer. All else is as [`Conversion::new`] has it.
///
/// ```
/// use mmoe_tools::convert::Precision;
/// use mmoe_tools::{engine::{BlobBytes, Runner}, like};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/firmware/minimal/src/edge.mmoe");
/// # let path = std::path::Path::new(path);
/// let blob = BlobBytes::read(path)?;
/// let old = Runner::load(&blob)?;
/// assert_eq!(like::conversion(old.model.blob()).precision, Precision::I8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn conversion(old: &Blob<'_>) -> Conversion {
    let has = |l: &LayerRecord, precision| l.is_matrix() && l.precision() == Some(precision);
    let of = |precision| {
        let named = describe::nodes(old)
            .into_iter()
            .zip(old.nodes_with_layers());
        let layers = named.flat_map(|(name, node)| {
            // What expands codes is no layer of its own.
            let layers = node
                .layers
                .iter()
                .filter(|l| l.kind() != Some(LayerKind::Hot));
            let wide = layers.enumerate().filter(|(_, l)| has(l, precision));
            wide.map(move |(i, _)| format!("{}.{i}", name.replace(' ', "")))
        });
        layers.collect::<Vec<_>>()
    };
    if old.is_integer() {
        // The order is that of int8 weights; other layers have but one.
        let narrow = old.layers.iter().find(|l| has(l, PrecisionKind::I8));
        return Conversion {
            packing: narrow
                .and_then(LayerRecord::packing)
                .unwrap_or(PackingKind::Panels),
            widths: Some(of(PrecisionKind::I16)),
            ..Conversion::new(Precision::I8)
        };
    }
    let mut towers = old.nodes_with_layers().filter(|n| n.record.is_tower());
    let narrow = |l: &LayerRecord| has(l, PrecisionKind::W8);
    let tables = |f: &FeatureRecord| f.precision() == Some(PrecisionKind::W8);
    if !old.layers.iter().any(narrow) && !old.features().iter().any(tables) {
        return Conversion::new(Precision::F32);
    }
    Conversion {
        narrow_heads: towers.any(|n| n.layers.last().is_some_and(narrow)),
        widths: Some(of(PrecisionKind::F32)),
        ..Conversion::new(Precision::W8)
    }
}

/// Returns in what the types of two blobs differ, and the names of their tasks and features, each
/// difference in a line such as `expert 3, layer 0: 64→32 in the earlier blob, 64→48 now`. There is
/// none where a program built for the one loads the other, and means the same by its numbers.
#[must_use]
pub fn differences(old: &Blob<'_>, new: &Blob<'_>) -> Vec<String> {
    let mut found = Found::default();
    found.unlike("inputs", &old.input_count(), &new.input_count());
    nodes(&mut found, old, new);
    let names = (text(old.task_names()), text(new.task_names()));
    found.unlike("tasks", &old.tasks.len(), &new.tasks.len());
    for (at, (a, b)) in old.tasks.iter().zip(new.tasks).enumerate() {
        let named = |names: &[String]| format!("`{}`", names.get(at).map_or("", |n| n.as_str()));
        found.unlike(&format!("task {at}"), &named(&names.0), &named(&names.1));
        if a != b {
            found.push(&format!("task {at}"), &task(a), &task(b));
        }
    }
    let features = text(old.feature_names()).into_iter();
    // A blob need not name its features.
    for (at, (a, b)) in features.zip(text(new.feature_names())).enumerate() {
        found.unlike(
            &format!("feature {at}"),
            &format!("`{a}`"),
            &format!("`{b}`"),
        );
    }
    found.0
}

/// The lines so far.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn push(&mut self, what: &str, old: &impl std::fmt::Display, new: &impl std::fmt::Display) {
        self.0
            .push(format!("{what}: {old} in the earlier blob, {new} now"));
    }

    fn unlike<T: PartialEq + std::fmt::Display>(&mut self, what: &str, old: &T, new: &T) {
        if old != new {
            self.push(what, old, new);
        }
    }
}

fn text(names: Names<'_>) -> Vec<String> {
    names
        .map(|n| String::from_utf8_lossy(n).into_owned())
        .collect()
}

/// The nodes are matched by their names, so that one more expert is one line, and not a line for
/// each node behind it. Only where both blobs have the same nodes do the numbers by which they name
/// each other mean the same.
fn nodes(found: &mut Found, old: &Blob<'_>, new: &Blob<'_>) {
    let (names, new_names) = (describe::nodes(old), describe::nodes(new));
    let new_nodes: Vec<_> = new.nodes_with_layers().collect();
    for (name, a) in names.iter().zip(old.nodes_with_layers()) {
        let Some(b) = new_names
            .iter()
            .position(|n| n == name)
            .map(|at| &new_nodes[at])
        else {
            found.0.push(format!("{name}: only in the earlier blob"));
            continue;
        };
        if names == new_names {
            wiring(found, name, a.record, b.record);
        }
        found.unlike(&format!("{name}, layers"), &a.layers.len(), &b.layers.len());
        for (at, (a, b)) in a.layers.iter().zip(b.layers).enumerate() {
            if a != b {
                let what = format!("{name}, layer {at}");
                let (a, b) = (a.shape(), b.shape());
                if a.how == b.how {
                    let size = |s: mmoe::blob::Shape| format!("{}→{}", s.inputs(), s.outputs());
                    found.push(&what, &size(a), &size(b));
                } else {
                    found.push(&what, &a, &b);
                }
            }
        }
    }
    for name in new_names.iter().filter(|n| !names.contains(n)) {
        found.0.push(format!("{name}: only in the new model"));
    }
    if names != new_names && found.0.is_empty() {
        found.push(
            "order of the nodes",
            &names.join(", "),
            &new_names.join(", "),
        );
    }
}

fn wiring(found: &mut Found, name: &str, old: &NodeRecord, new: &NodeRecord) {
    let op = |n: &NodeRecord| n.op().map_or("something unknown", NodeOp::name);
    found.unlike(&format!("{name}, kind"), &op(old), &op(new));
    for (what, of) in [
        ("k", (|n| n.k.into()) as fn(&NodeRecord) -> u32),
        ("value read", |n| n.src.into()),
        ("first value of its level", |n| n.first.into()),
        ("start of the slice read", |n| n.start.get().into()),
        ("width read", |n| n.inputs.get().into()),
        ("width made", |n| n.outputs.get().into()),
    ] {
        found.unlike(&format!("{name}, {what}"), &of(old), &of(new));
    }
    let sees = |n: &NodeRecord| {
        let steps = n.seen_values().map(|v| v - usize::from(n.first));
        format!("{:?}", steps.collect::<Vec<_>>())
    };
    found.unlike(&format!("{name}, experts seen"), &sees(old), &sees(new));
}

fn task(record: &TaskRecord) -> String {
    let kind = record
        .output()
        .map_or("something unknown", OutputKind::name);
    match record.factors() {
        Some((a, b)) => format!("{kind} of tasks {a} and {b}"),
        None => format!("{kind} of value {}, width {}", record.a, record.width),
    }
}
