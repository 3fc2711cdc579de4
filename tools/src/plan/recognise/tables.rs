//! Recognition by names as data: a framework's class is a [`Table`] of patterns, and one function
//! reads them all.
//!
//! In a pattern `{}` stands for the next index: of a level, then of a task, then of an expert.

use super::Found;
use super::modules::Style;
use super::names::{Names, unknown_tasks};
use super::transfer::{Transfer, transfer};
use super::wiring::{Extraction, Order, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, OutputPlan, Plan, TaskPlan, TensorRef, Unit};

/// A framework's class.
pub(super) struct Table {
    /// For people.
    pub(super) framework: &'static str,
    /// It is this class where tensors start with every one of these …
    pub(super) has: &'static [&'static str],
    /// … and none with one of these.
    pub(super) lacks: &'static [&'static str],
    /// How a stack of layers is spelled.
    pub(super) stack: Stack,
    /// What its layers are.
    pub(super) style: Style,
    /// Where the stacks stand.
    pub(super) wiring: Wiring,
    /// The towers.
    pub(super) towers: Spelled,
    /// What the class says of its outputs.
    pub(super) outputs: Outputs,
    /// Where the activation comes from.
    pub(super) source: &'static str,
    /// Prefixes of what stands before the model's input.
    pub(super) before: &'static [&'static str],
    /// Prefixes of what the class builds and never runs, and why.
    pub(super) dead: &'static [(&'static str, &'static str)],
}

/// How a framework spells a stack of layers.
#[derive(Clone, Copy)]
pub(super) enum Stack {
    /// A `Sequential`, ending with its last member.
    Sequential,
    /// DeepCTR-Torch's `DNN`: `linears.J`, `bn.J`, `activation_layers.J`.
    Dnn,
    /// TorchEasyRec's `MLP`: `mlp.J.perceptron.N`.
    Perceptrons,
}

/// Where a stack stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Spelled {
    /// Its prefix.
    pub(super) at: &'static str,
    /// The linear layer behind it; empty: none.
    pub(super) last: &'static str,
    /// A bias that is added to the last layer's; empty: none.
    pub(super) bias: &'static str,
}

impl Spelled {
    pub(super) const fn at(at: &'static str) -> Self {
        Self {
            at,
            last: "",
            bias: "",
        }
    }

    pub(super) const fn with_last(at: &'static str, last: &'static str) -> Self {
        Self { at, last, bias: "" }
    }

    /// What counts its instances: the linear layer where there is one, for stacks may be empty.
    const fn counted(&self) -> &'static str {
        if self.last.is_empty() {
            self.at
        } else {
            self.last
        }
    }
}

/// How the stacks are wired.
pub(super) enum Wiring {
    /// Experts, and a gate per tower.
    Mixture { experts: Spelled, gates: Spelled },
    /// One expert, which all towers read.
    Bottom(Spelled),
    /// A bottom for each tower.
    Bottoms(Spelled),
    /// Towers alone.
    Towers,
    /// Progressive layered extraction.
    Extraction(Progressive),
    /// Bottoms that inform each other by attention, and a tower on each.
    Transfer {
        bottoms: Spelled,
        /// From a task to the next one.
        info: Spelled,
        /// Linear layers of the attention.
        query: &'static str,
        key: &'static str,
        value: &'static str,
    },
    /// Towers that read each other.
    Joined {
        /// What does so.
        what: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

/// The stacks of progressive layered extraction.
pub(super) struct Progressive {
    /// `[level][task][j]`, or `[level][task · each + j]` where `flat`.
    pub(super) specific: &'static str,
    pub(super) flat: bool,
    /// `[level][k]`.
    pub(super) shared: &'static str,
    /// `[level][task]`.
    pub(super) gates: Spelled,
    /// `[level]`; `{tasks}` is the number of tasks.
    pub(super) shared_gate: Spelled,
    /// What counts the levels.
    pub(super) levels: &'static str,
    /// The order of what gates weigh.
    pub(super) order: Order,
}

/// What a class says of its outputs.
#[derive(Clone, Copy)]
pub(super) enum Outputs {
    /// Nothing.
    Unknown,
    /// Every one is a sigmoid.
    Sigmoid,
    /// These are sigmoids, and one more is the product of these two.
    Product([&'static str; 2], &'static str, [usize; 2]),
}

/// Asks a file for the class of a table.
pub(super) fn recognise(table: &Table, weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: table.framework,
    };
    let fits = table.has.iter().all(|p| names.any(p)) && !table.lacks.iter().any(|p| names.any(p));
    fits.then(|| Reader { names, table }.found())
}

/// A file, read by a table.
struct Reader<'a> {
    names: Names<'a>,
    table: &'a Table,
}

impl Reader<'_> {
    fn found(&self) -> Result<Found, ModelError> {
        let table = self.table;
        let mut found = Found {
            framework: table.framework,
            ..Found::default()
        };
        found.habits.source = table.source;
        found.habits.one_activation = true;
        found.plan = self.plan(&mut found)?;
        for (prefix, why) in table.dead {
            found.dead.push(((*prefix).into(), (*why).into()));
        }
        self.names.embeddings(table.before, &mut found);
        Ok(found)
    }

    fn plan(&self, found: &mut Found) -> Result<Plan, ModelError> {
        let table = self.table;
        if let Wiring::Joined { what, remedy } = &table.wiring {
            return Err(ModelError::Unsupported {
                place: format!("{} (`{}`)", table.framework, self.names.first(table.has)),
                what: (*what).into(),
                remedy: (*remedy).into(),
            });
        }
        let towers = match &table.outputs {
            Outputs::Product(tasks, ..) => tasks
                .iter()
                .map(|task| self.unit(table.towers, &[task], true))
                .collect::<Result<Vec<_>, _>>()?,
            _ => self.list(table.towers, &[], true)?,
        };
        let tasks = self.tasks(towers.len(), found);
        match &table.wiring {
            Wiring::Mixture { experts, gates } => {
                let experts = self.list(*experts, &[], false)?;
                // A gate for all tasks carries no number.
                let gates = if gates.at.contains("{}") || gates.last.contains("{}") {
                    self.list(*gates, &[], true)?
                } else {
                    vec![self.unit(*gates, &[], true)?]
                };
                one_level(&self.names, experts, gates, towers, tasks)
            }
            Wiring::Bottom(bottom) => {
                let bottom = vec![self.unit(*bottom, &[], false)?];
                one_level(&self.names, bottom, Vec::new(), towers, tasks)
            }
            Wiring::Bottoms(bottoms) => {
                let bottoms = self.list(*bottoms, &[], false)?;
                self.apart(bottoms, towers, tasks)
            }
            Wiring::Transfer {
                bottoms,
                info,
                query,
                key,
                value,
            } => {
                let bottoms = self.list(*bottoms, &[], false)?;
                let infos = self.list(*info, &[], false)?;
                let transfers = infos.into_iter().enumerate().map(|(t, info)| {
                    let prefix = |pattern: &str| fill(pattern, &[&t.to_string()]);
                    Transfer {
                        info,
                        query: prefix(query),
                        key: prefix(key),
                        value: prefix(value),
                    }
                });
                transfer(&self.names, bottoms, transfers.collect(), towers, tasks)
            }
            Wiring::Towers => self.apart(Vec::new(), towers, tasks),
            Wiring::Extraction(p) => self.progressive(p, towers, tasks, found),
            Wiring::Joined { .. } => Ok(Plan::default()),
        }
    }

    /// Towers that share nothing, each behind a bottom of its own where there are any.
    fn apart(
        &self,
        bottoms: Vec<Vec<LayerPlan>>,
        towers: Vec<Vec<LayerPlan>>,
        tasks: Vec<TaskPlan>,
    ) -> Result<Plan, ModelError> {
        if !bottoms.is_empty() && bottoms.len() != towers.len() {
            return Err(self.names.wrong(
                &format!(
                    "it has {} bottoms for {} towers",
                    bottoms.len(),
                    towers.len()
                ),
                "the file may be cut",
            ));
        }
        let mut bottoms = bottoms.into_iter();
        let tower = |(t, tower): (usize, Vec<LayerPlan>)| -> Unit {
            let mut layers = bottoms.next().unwrap_or_default();
            layers.extend(tower);
            super::names::unit(format!("tower {t}"), layers)
        };
        Ok(Plan {
            name: "model".into(),
            towers: towers.into_iter().enumerate().map(tower).collect(),
            tasks,
            ..Plan::default()
        })
    }

    fn progressive(
        &self,
        p: &Progressive,
        towers: Vec<Vec<LayerPlan>>,
        tasks: Vec<TaskPlan>,
        found: &mut Found,
    ) -> Result<Plan, ModelError> {
        let count = towers.len();
        let depth = self.count(p.levels, &[])?;
        let mut extractions = Vec::new();
        for l in 0..depth {
            let level = l.to_string();
            let mut made = Extraction::default();
            let all = if p.flat {
                self.count(p.specific, &[&level])?
            } else {
                0
            };
            if p.flat && all % count.max(1) != 0 {
                return Err(self.names.wrong(
                    &format!("level {l} has {all} specific experts for {count} tasks"),
                    "each task has equally many; the file may be cut",
                ));
            }
            for t in 0..count {
                let task = t.to_string();
                let each = if p.flat {
                    all / count
                } else {
                    self.count(p.specific, &[&level, &task])?
                };
                let own = (0..each).map(|j| {
                    let (flat, j) = ((t * each + j).to_string(), j.to_string());
                    let index: &[&str] = if p.flat {
                        &[&level, &flat]
                    } else {
                        &[&level, &task, &j]
                    };
                    self.unit(Spelled::at(p.specific), index, false)
                });
                made.specific.push(own.collect::<Result<_, _>>()?);
                made.gates.push(self.unit(p.gates, &[&level, &task], true)?);
            }
            let built = self.count(p.shared, &[&level])?;
            let used = self.used(&made, built);
            for k in 0..built {
                let k_text = k.to_string();
                if k < used {
                    let unit = self.unit(Spelled::at(p.shared), &[&level, &k_text], false)?;
                    made.shared.push(unit);
                } else {
                    found.dead.push((
                        fill(p.shared, &[&level, &k_text]) + ".",
                        "this shared expert is built and never run".into(),
                    ));
                }
            }
            let here = p.shared_gate;
            let prefix = |text: &str| fill(text, &[&level]).replace("{tasks}", &count.to_string());
            let (at, last) = (prefix(here.at), prefix(here.last));
            let stands = |p: &&String| !p.is_empty() && self.names.any(&format!("{p}."));
            let is_there = [&at, &last].iter().any(stands);
            if is_there && l + 1 < depth {
                made.shared_gate = Some(self.layers(&at, &last, "", true)?);
            } else if is_there {
                for prefix in [at, last].into_iter().filter(|p| !p.is_empty()) {
                    let why = "the last level's shared gate feeds nothing";
                    found.dead.push((prefix + ".", why.into()));
                }
            }
            extractions.push(made);
        }
        extraction(&self.names, extractions, p.order, towers, tasks)
    }

    /// How many of the shared experts that were built are weighed: the rows of a gate, less the
    /// task's own experts.
    fn used(&self, made: &Extraction, built: usize) -> usize {
        let own = made.specific.first().map_or(0, Vec::len);
        let rows = made
            .gates
            .first()
            .and_then(|g| g.last()?.weight.as_ref())
            .and_then(|w| self.names.shape(&w.parts()[0].name).first().copied());
        rows.map_or(built, |rows| rows.saturating_sub(own))
            .min(built)
    }

    fn tasks(&self, count: usize, found: &mut Found) -> Vec<TaskPlan> {
        let sigmoid = |name: String| TaskPlan::new(name, Some(OutputPlan::Sigmoid));
        match self.table.outputs {
            Outputs::Unknown => unknown_tasks(count),
            Outputs::Sigmoid => {
                let note = "tasks are called task0, task1, …: the file has no names for them";
                found.assumptions.push(note.into());
                (0..count).map(|t| sigmoid(format!("task{t}"))).collect()
            }
            Outputs::Product(tasks, product, [a, b]) => {
                found.tasks_named = true;
                let product = TaskPlan::new(product, Some(OutputPlan::Product(a, b)));
                tasks
                    .iter()
                    .map(|t| sigmoid((*t).into()))
                    .chain([product])
                    .collect()
            }
        }
    }

    /// All instances of a pattern.
    fn list(
        &self,
        spelled: Spelled,
        index: &[&str],
        raw: bool,
    ) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
        (0..self.count(spelled.counted(), index)?)
            .map(|i| {
                let i = i.to_string();
                let index: Vec<&str> = index.iter().copied().chain([i.as_str()]).collect();
                self.unit(spelled, &index, raw)
            })
            .collect()
    }

    /// How many instances of a pattern there are, its first indices being given.
    fn count(&self, pattern: &str, index: &[&str]) -> Result<usize, ModelError> {
        let filled = fill(pattern, index);
        let prefix = filled.split("{}").next().unwrap_or(&filled);
        self.names.count(prefix)
    }

    fn unit(
        &self,
        spelled: Spelled,
        index: &[&str],
        raw: bool,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        let [at, last, bias] = [spelled.at, spelled.last, spelled.bias].map(|p| fill(p, index));
        self.layers(&at, &last, &bias, raw)
    }

    /// The layers of one stack; `raw`: it ends in raw values.
    fn layers(
        &self,
        at: &str,
        last: &str,
        bias: &str,
        raw: bool,
    ) -> Result<Vec<LayerPlan>, ModelError> {
        let names = &self.names;
        let mut style = self.table.style;
        style.raw = raw && last.is_empty();
        let mut layers = match self.table.stack {
            Stack::Sequential if !last.is_empty() && !names.any(&format!("{at}.")) => Vec::new(),
            Stack::Sequential => names.sequential(at, style)?,
            Stack::Dnn => self.dnn(at, style)?,
            Stack::Perceptrons => self.perceptrons(at, style)?,
        };
        if !last.is_empty() {
            layers.push(names.linear(last, ActivationPlan::Linear));
        }
        if let (Some(last), true) = (layers.last_mut(), names.has(bias)) {
            last.bias = Some(TensorRef::name(bias));
        }
        if layers.is_empty() {
            Err(names.empty(at))
        } else {
            Ok(layers)
        }
    }

    /// The layers of a `DNN`, which may have none: matrix, batch norm, activation.
    fn dnn(&self, prefix: &str, style: Style) -> Result<Vec<LayerPlan>, ModelError> {
        let names = &self.names;
        let layer = |j: usize| {
            let mut layer = names.hidden(&format!("{prefix}.linears.{j}"));
            layer.before = names.norm(&format!("{prefix}.bn.{j}"), style.epsilon)?;
            self.activation(
                &mut layer,
                &format!("{prefix}.activation_layers.{j}"),
                style,
            )?;
            Ok(layer)
        };
        let end = names.count(&format!("{prefix}.linears."))?;
        (0..end).map(layer).collect()
    }

    /// The layers of TorchEasyRec's `MLP`, which may have none.
    fn perceptrons(&self, prefix: &str, style: Style) -> Result<Vec<LayerPlan>, ModelError> {
        let names = &self.names;
        let layer = |j: usize| {
            let at = format!("{prefix}.mlp.{j}.perceptron");
            let mut layer = names.hidden(&format!("{at}.0"));
            let members = names.numbers(&format!("{at}."));
            for n in members.into_iter().filter(|n| *n > 0) {
                let at = format!("{at}.{n}");
                // A lone weight is a PReLU's slope; a norm has a bias or statistics beside it.
                let alone = names.has(&format!("{at}.weight")) && !names.has(&format!("{at}.bias"));
                if alone || names.has(&format!("{at}.alpha")) {
                    self.activation(&mut layer, &at, style)?;
                } else {
                    layer.before = names.norm(&at, style.epsilon)?;
                }
            }
            Ok(layer)
        };
        let end = names.count(&format!("{prefix}.mlp."))?;
        (0..end).map(layer).collect()
    }

    /// Puts the trained activation under `at` into a layer, if there is one.
    fn activation(&self, layer: &mut LayerPlan, at: &str, style: Style) -> Result<(), ModelError> {
        let slope = format!("{at}.weight");
        if self.names.has(&slope) {
            layer.activation = ActivationPlan::PRelu(TensorRef::name(slope));
        } else if let Some(dice) = self.names.dice(at, style.dice)? {
            layer.activation = ActivationPlan::Dice(Box::new(dice));
        } else {
            return Ok(());
        }
        layer.open.activation = false;
        Ok(())
    }
}

fn fill(pattern: &str, index: &[&str]) -> String {
    let mut out = pattern.to_owned();
    for i in index {
        out = out.replacen("{}", i, 1);
    }
    out
}
