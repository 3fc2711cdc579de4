//! Expands a spec, which has patterns such as `experts.{expert}.weight`, to a plan, which has names.

use indexmap::IndexMap;
use toml::Spanned;

use super::pattern::Context;
use super::{Spec, gates, layers};
use crate::error::ModelError;
use crate::import::Tensor;
use crate::plan::{
    ActivationPlan, LayerPlan, Level, OutputPlan, Plan, Reads, Slice, TaskPlan, Unit,
};

use super::raw;

/// What every part of the expansion needs.
pub(super) struct Expander<'a> {
    pub(super) spec: &'a Spec,
    pub(super) tensors: &'a IndexMap<String, Tensor>,
    pub(super) tasks: Vec<TaskPlan>,
}

/// The kinds of units that a group describes.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Expert,
    Tower,
}

pub(super) fn expand(spec: &Spec, tensors: &IndexMap<String, Tensor>) -> Result<Plan, ModelError> {
    let raw = &spec.raw;
    let name = raw
        .name
        .clone()
        .ok_or_else(|| missing("the spec", "name", "name = \"my-model\""))?;
    let tasks = spec.tasks()?;
    if tasks.is_empty() {
        return Err(missing(
            "the spec",
            "[[tasks]]",
            "one [[tasks]] with name and activation per output, in order",
        ));
    }
    let ex = Expander {
        spec,
        tensors,
        tasks,
    };
    let mut levels = Vec::new();
    if let Some(experts) = &raw.experts {
        if let Some(level) = raw.levels.first() {
            return Err(invalid(
                spec.place("[[levels]]", level.span()),
                "[experts] stands beside [[levels]]",
                "a model of one level has [experts] and [gates], one of several has [[levels]] \
                 alone",
            ));
        }
        levels.push(ex.level(experts, raw.gates.as_ref(), levels.last())?);
    } else if let Some(gates) = &raw.gates {
        return Err(invalid(
            spec.place("[gates]", gates.span()),
            "there are gates but no [experts]",
            "add [experts], or leave [gates] out for independent towers",
        ));
    }
    for level in &raw.levels {
        let level = level.as_ref();
        levels.push(ex.level(&level.experts, level.gates.as_ref(), levels.last())?);
    }
    let towers = raw.towers.as_ref().ok_or_else(|| {
        missing(
            "the spec",
            "[towers]",
            "[towers] with layers = [ … ]; layers = [] where the mixture itself is the output",
        )
    })?;
    let towers = ex.units(towers, Kind::Tower, levels.last())?;
    Ok(Plan {
        name,
        version: raw.version.unwrap_or(0),
        inputs: spec.inputs(),
        fields: super::fields::plan(spec)?,
        record: None,
        front: None,
        readings: Vec::new(),
        levels,
        towers,
        tasks: ex.tasks,
    })
}

impl Expander<'_> {
    fn level(
        &self,
        experts: &Spanned<raw::Units>,
        gates: Option<&Spanned<raw::Gates>>,
        before: Option<&Level>,
    ) -> Result<Level, ModelError> {
        let mut level = Level {
            experts: self.units(experts, Kind::Expert, before)?,
            gates: Vec::new(),
        };
        match gates {
            Some(gates) => level.gates = gates::expand(self, gates, &level.experts, before)?,
            None if level.experts.len() > 1 => {
                return Err(missing(
                    &self.spec.place("[experts]", experts.span()),
                    "[gates]",
                    "several experts need gates that mix them; only a single expert goes without",
                ));
            }
            None => {}
        }
        Ok(level)
    }

    /// Experts or towers, group by group.
    fn units(
        &self,
        raw: &Spanned<raw::Units>,
        kind: Kind,
        before: Option<&Level>,
    ) -> Result<Vec<Unit>, ModelError> {
        let title = if kind == Kind::Expert {
            "[experts]"
        } else {
            "[towers]"
        };
        let place = self.spec.place(title, raw.span());
        let group = raw.as_ref();
        let mut units = Vec::new();
        if group.list.is_empty() {
            let count = match (kind, group.count) {
                (_, Some(count)) => count,
                (Kind::Expert, None) => {
                    return Err(missing(
                        &place,
                        "count",
                        "count = 4 for four experts alike, or one [[experts.list]] per group of \
                         them",
                    ));
                }
                (Kind::Tower, None) => self.tower_tasks().count(),
            };
            self.group(group, count, kind, &place, before, &mut units)?;
        } else {
            if group.layers.is_some()
                || group.count.is_some()
                || group.names.is_some()
                || group.reads.is_some()
                || group.slice.is_some()
            {
                return Err(invalid(
                    place,
                    "keys stand beside `list`",
                    "move them into the entries of the list",
                ));
            }
            for entry in &group.list {
                let place = self.spec.place(&format!("{title} list"), entry.span());
                let entry = entry.as_ref();
                if !entry.list.is_empty() {
                    return Err(invalid(
                        place,
                        "a list inside a list",
                        "write the groups one after the other",
                    ));
                }
                self.group(
                    entry,
                    entry.count.unwrap_or(1),
                    kind,
                    &place,
                    before,
                    &mut units,
                )?;
            }
        }
        let needed = self.tower_tasks().count();
        if kind == Kind::Tower && units.len() != needed {
            return Err(invalid(
                place,
                &format!(
                    "there are {} towers and {needed} tasks that need one",
                    units.len()
                ),
                "give each task that is no product a tower, in the order of [[tasks]]",
            ));
        }
        Ok(units)
    }

    fn group(
        &self,
        group: &raw::Units,
        count: usize,
        kind: Kind,
        place: &str,
        before: Option<&Level>,
        units: &mut Vec<Unit>,
    ) -> Result<(), ModelError> {
        if count == 0 {
            return Err(invalid(place.into(), "count = 0", "count is 1 or more"));
        }
        if count > crate::graph::rules::MAX_VALUES {
            return Err(invalid(
                place.into(),
                &format!("count = {count}"),
                "a model has at most 255 values",
            ));
        }
        if let Some(names) = group.names.as_ref().filter(|n| n.len() != count) {
            return Err(invalid(
                place.into(),
                &format!("{} names for {count}", names.len()),
                "name each or none",
            ));
        }
        let raw_layers = group.layers.as_ref().ok_or_else(|| {
            missing(
                place,
                "layers",
                "layers = [ { weight = \"…\", bias = \"…\", activation = \"relu\" } ]; layers = \
                 [] for none",
            )
        })?;
        let words = group
            .words()
            .or(self.spec.raw.defaults.as_ref().map(Spanned::as_ref));
        for i in 0..count {
            let index = units.len();
            let task = (kind == Kind::Tower)
                .then(|| self.tower_tasks().nth(index))
                .flatten();
            let context = Context {
                expert: (kind == Kind::Expert).then_some(index),
                gate: None,
                task: task.map(|(t, _)| t),
                task_name: task.map(|(_, t)| t.name.as_str()),
            };
            let name = group
                .names
                .as_ref()
                .and_then(|n| n.get(i).cloned())
                .unwrap_or_else(|| match task {
                    Some((_, task)) => format!("tower of `{}`", task.name),
                    None if kind == Kind::Tower => format!("tower {index}"),
                    None => format!("expert {index}"),
                });
            let mut layers = Vec::new();
            for (l, layer) in raw_layers.iter().enumerate() {
                let (mut plan, outer) = layers::expand(
                    self,
                    layer,
                    &context,
                    i,
                    count,
                    &format!("{name}, layer {l}"),
                    &words,
                )?;
                let end = l + 1 == raw_layers.len();
                let stated = layer.as_ref().activation.is_some() || layer.as_ref().dice.is_some();
                if !stated && layer.as_ref().weight.is_some() && !(end && kind == Kind::Tower) {
                    self.fill(&mut plan, &words, end)?;
                }
                let last_of = task.filter(|_| l + 1 == raw_layers.len());
                Self::settle(
                    &mut plan,
                    outer.as_deref(),
                    last_of.map(|(_, t)| t),
                    &self.spec.place(&format!("{name}, layer {l}"), layer.span()),
                )?;
                layers.push(plan);
            }
            let fallback = if kind == Kind::Tower {
                Some(index)
            } else {
                None
            };
            let reads = self.reads(
                group.reads.as_ref(),
                &context,
                i,
                count,
                before,
                fallback,
                &name,
            )?;
            units.push(Unit {
                name,
                reads,
                slice: slice(group.slice),
                layers,
            });
        }
        Ok(())
    }

    /// Gives a layer that names no activation the one that the words name for all.
    pub(super) fn fill(
        &self,
        plan: &mut LayerPlan,
        words: &raw::Words,
        last: bool,
    ) -> Result<(), ModelError> {
        let own = words.last_activation.as_ref().filter(|_| last);
        if let Some(name) = own.or(words.activation.as_ref()) {
            let place = self.spec.place("`activation`", name.span());
            let slope = words
                .slope
                .filter(|_| ["leaky_relu", "elu"].contains(&name.as_ref().as_str()));
            plan.activation = layers::activation(name.as_ref(), slope, place)?;
        }
        Ok(())
    }

    /// Takes a task's own activation off the last layer of its tower (`task`), and refuses
    /// activations that a layer of this place cannot have.
    fn settle(
        layer: &mut LayerPlan,
        outer: Option<&str>,
        task: Option<&TaskPlan>,
        place: &str,
    ) -> Result<(), ModelError> {
        let Some(task) = task else {
            if outer == Some("softmax") {
                return Err(ModelError::Unsupported {
                    place: place.into(),
                    what: "softmax inside an expert or a tower".into(),
                    remedy: "softmax belongs to gates and to tasks".into(),
                });
            }
            return Ok(());
        };
        let fits = match outer {
            Some("softmax") => task.output == Some(OutputPlan::Softmax),
            Some("sigmoid") => task.output == Some(OutputPlan::Sigmoid),
            _ => layer.activation == ActivationPlan::Linear,
        };
        if !fits {
            return Err(invalid(
                place.into(),
                &format!(
                    "the last layer's activation is not that of task `{}`",
                    task.name
                ),
                "the last layer makes raw values: say the activation in [[tasks]], not here",
            ));
        }
        layer.activation = ActivationPlan::Linear;
        Ok(())
    }

    /// The tasks that have a tower, each with its index among all tasks.
    pub(super) fn tower_tasks(&self) -> impl Iterator<Item = (usize, &TaskPlan)> {
        self.tasks
            .iter()
            .enumerate()
            .filter(|(_, t)| !t.is_product())
    }

    /// What a unit reads. `own`: the stream it takes where there is one per task.
    #[expect(
        clippy::too_many_arguments,
        reason = "each says one thing about the place"
    )]
    pub(super) fn reads(
        &self,
        raw: Option<&Spanned<raw::Reads>>,
        context: &Context<'_>,
        i: usize,
        count: usize,
        before: Option<&Level>,
        own: Option<usize>,
        name: &str,
    ) -> Result<Reads, ModelError> {
        let streams = before.map_or(0, |l| {
            if l.gates.is_empty() {
                l.experts.len()
            } else {
                l.gates.len()
            }
        });
        let Some(raw) = raw else {
            return match (streams, own) {
                (0, _) => Ok(Reads::Input),
                (1, _) => Ok(Reads::Stream(0)),
                (n, Some(own)) if n == self.tower_tasks().count() => Ok(Reads::Stream(own)),
                (n, _) => Err(missing(
                    name,
                    "reads",
                    &format!(
                        "the level before makes {n} values: say which one, as reads = 0, reads = \
                         \"{{task}}\", reads = [0, 1], or reads = \"input\""
                    ),
                )),
            };
        };
        let place = self.spec.place(name, raw.span());
        let one = match raw.as_ref() {
            raw::Reads::Each(list) if list.len() != count => {
                return Err(invalid(
                    place,
                    &format!("`reads` lists {} for {count}", list.len()),
                    "list one per unit of the group",
                ));
            }
            raw::Reads::Each(list) => &list[i],
            one => one,
        };
        let index = match one {
            raw::Reads::Text(text) if text == "input" => return Ok(Reads::Input),
            raw::Reads::Index(index) => *index,
            raw::Reads::Text(text) => {
                let filled = context
                    .fill(text)
                    .map_err(|e| invalid(place.clone(), &e, "correct `reads`"))?;
                filled.parse().map_err(|_| {
                    invalid(
                        place.clone(),
                        &format!("reads = \"{filled}\""),
                        "write \"input\", an index, or a pattern that gives one",
                    )
                })?
            }
            raw::Reads::Each(_) => {
                return Err(invalid(place, "a list inside a list", "list one per unit"));
            }
        };
        if index >= streams {
            return Err(invalid(
                place,
                &format!("`reads` names value {index} of the level before, which makes {streams}"),
                "count from 0; \"input\" is the model's input",
            ));
        }
        Ok(Reads::Stream(index))
    }
}

pub(super) fn slice(raw: Option<raw::Slice>) -> Option<Slice> {
    raw.map(|s| Slice {
        start: s.start,
        count: s.count,
    })
}

pub(super) fn missing(place: &str, key: &str, remedy: &str) -> ModelError {
    ModelError::MissingKey {
        place: place.into(),
        key: key.into(),
        remedy: remedy.into(),
    }
}

pub(super) fn invalid(place: String, what: &str, remedy: &str) -> ModelError {
    ModelError::Invalid {
        place,
        what: what.into(),
        remedy: remedy.into(),
    }
}
