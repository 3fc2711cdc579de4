//! Layers and tensor references of a spec.

use toml::Spanned;

use super::expand::{Expander, invalid, missing};
use super::pattern::Context;
use super::raw;
use crate::error::ModelError;
use crate::plan::{
    ActivationPlan, Block, Blocks, Dice, LayerPlan, Layout, Norm, NormKind, Open, Part, SPEC_NAMES,
    TensorRef,
};

/// A layer for one unit, the `i`-th of `count` alike; beside it its activation as the spec spells
/// it, where that is one of a gate or an output and not of a layer.
pub(super) fn expand(
    ex: &Expander<'_>,
    raw: &Spanned<raw::Layer>,
    context: &Context<'_>,
    i: usize,
    count: usize,
    place: &str,
    words: &raw::Words,
) -> Result<(LayerPlan, Option<String>), ModelError> {
    let here = ex.spec.place(place, raw.span());
    let layer = raw.as_ref();
    let names = Names {
        ex,
        context,
        i,
        count,
        place,
    };
    let of = |n: &Option<Spanned<raw::Names>>| n.as_ref().map(|n| names.reference(n)).transpose();
    let (weight, bias) = (of(&layer.weight)?, of(&layer.bias)?);
    if weight.is_none()
        && bias.is_none()
        && norms(layer).all(|(norm, _)| norm.is_none())
        && layer.dice.is_none()
        && layer.activation.is_none()
    {
        return Err(missing(&here, "weight", "weight = \"the tensor's name\""));
    }
    let mut plan = LayerPlan {
        weight,
        bias,
        layout: layout(layer.layout.or(ex.spec.raw.layout)),
        residual: layer.residual || words.residual == Some(true),
        spans: layer.residual_layers.unwrap_or(0),
        open: doubts(&layer.open),
        ..LayerPlan::default()
    };
    if plan.weight.is_some() && layer.layout.is_none() && ex.spec.raw.layout.is_none() {
        return Err(missing(
            &here,
            "layout",
            "layout = \"out_in\" at the top for PyTorch's [outputs, inputs], \"in_out\" for Keras \
             kernels",
        ));
    }
    for (raw, key) in norms(layer) {
        let Some(raw) = raw else { continue };
        let norm = names.norm(raw, key, words)?;
        let slot = if raw.as_ref().after_activation.or(words.after_activation) == Some(true) {
            &mut plan.after
        } else {
            &mut plan.before
        };
        if slot.replace(norm).is_some() {
            return Err(invalid(
                here,
                "two norms in one place",
                "write the second as a layer of its own: { layer_norm = { … } }",
            ));
        }
    }
    let named = layer.activation.as_ref().map(|a| a.as_ref().as_str());
    if let Some(dice) = &layer.dice {
        if named.is_some() || layer.slope.is_some() {
            return Err(invalid(
                here,
                "a dice and an activation",
                "write one of them",
            ));
        }
        plan.activation = ActivationPlan::Dice(Box::new(names.dice(dice)?));
        return Ok((plan, None));
    }
    let outer = named
        .filter(|n| ["sigmoid", "softmax"].contains(n))
        .map(str::to_owned);
    let tensor = match (&layer.slope, named) {
        (None, _) => None,
        (Some(slope), Some("prelu")) => Some(match slope.as_ref() {
            raw::Slope::Tensor(tensor) => names.resolve(tensor, slope.span().start)?,
            raw::Slope::Number(_) => {
                return Err(invalid(
                    here,
                    "a prelu's slope is a tensor",
                    "write slope = \"the tensor's name\", or activation = \"leaky_relu\" for a \
                     number",
                ));
            }
        }),
        (Some(slope), _) => match slope.as_ref() {
            raw::Slope::Number(_) => None,
            raw::Slope::Tensor(_) => {
                return Err(invalid(
                    here,
                    "a leaky_relu's slope is a number",
                    "write slope = 0.01, or activation = \"prelu\" for a trained slope",
                ));
            }
        },
    };
    let number = layer.slope.as_ref().and_then(|s| match s.as_ref() {
        raw::Slope::Number(n) => Some(*n),
        raw::Slope::Tensor(_) => None,
    });
    plan.activation = match (named, tensor) {
        (Some("prelu"), Some(slope)) => ActivationPlan::PRelu(slope),
        (Some("prelu"), None) => {
            return Err(missing(
                &here,
                "slope",
                "slope = \"the name of the slope's tensor\"",
            ));
        }
        (Some("softmax"), _) if number.is_none() => ActivationPlan::Linear,
        (None, _) if number.is_none() => ActivationPlan::Linear,
        (named, _) => activation(named.unwrap_or("linear"), number, here)?,
    };
    Ok((plan, outer))
}

/// What a draft leaves open about a layer.
fn doubts(list: &[Spanned<raw::Doubt>]) -> Open {
    let has = |doubt: raw::Doubt| list.iter().any(|d| *d.as_ref() == doubt);
    Open {
        activation: has(raw::Doubt::Activation),
        order: has(raw::Doubt::AfterActivation),
        norm: has(raw::Doubt::Norm),
        epsilon: has(raw::Doubt::Epsilon),
        layout: has(raw::Doubt::Layout),
        residual: has(raw::Doubt::Residual),
    }
}

/// The norms that a layer may have, each with its key.
fn norms(layer: &raw::Layer) -> impl Iterator<Item = (&Option<Spanned<raw::Norm>>, &'static str)> {
    [
        (&layer.batch_norm, "batch_norm"),
        (&layer.layer_norm, "layer_norm"),
        (&layer.rms_norm, "rms_norm"),
        (&layer.group_norm, "group_norm"),
        (&layer.l2_norm, "l2_norm"),
        (&layer.scale, "scale"),
    ]
    .into_iter()
}

/// The activation of a name and, where it takes one, a number.
pub(super) fn activation(
    name: &str,
    slope: Option<f64>,
    here: String,
) -> Result<ActivationPlan, ModelError> {
    match (name, slope) {
        ("leaky_relu", Some(slope)) => Ok(ActivationPlan::LeakyRelu(slope)),
        ("leaky_relu", None) => Err(missing(
            &here,
            "slope",
            "slope = 0.01 (PyTorch's default) or 0.3 (that of Keras's LeakyReLU layer); they \
             differ",
        )),
        ("elu", Some(alpha)) => Ok(ActivationPlan::Elu(alpha)),
        (name, None) => ActivationPlan::named(name).ok_or_else(|| unknown(name, here)),
        (name, Some(_)) if ActivationPlan::named(name).is_none() => Err(unknown(name, here)),
        (_, Some(_)) => Err(invalid(
            here,
            "`slope` belongs to leaky_relu, prelu and elu",
            "remove it or name the activation",
        )),
    }
}

/// The error for an activation that is none.
fn unknown(name: &str, place: String) -> ModelError {
    let near =
        ActivationPlan::near(name).map_or_else(String::new, |n| format!("did you mean `{n}`? "));
    ModelError::Unsupported {
        place,
        what: format!("activation `{name}`"),
        remedy: format!("{near}there are {SPEC_NAMES}"),
    }
}

pub(super) fn layout(raw: Option<raw::Layout>) -> Layout {
    match raw {
        Some(raw::Layout::InOut) => Layout::InOut,
        Some(raw::Layout::OutIn) | None => Layout::OutIn,
    }
}

/// Fills in names for one unit.
struct Names<'a> {
    ex: &'a Expander<'a>,
    context: &'a Context<'a>,
    i: usize,
    count: usize,
    place: &'a str,
}

impl Names<'_> {
    fn reference(&self, raw: &Spanned<raw::Names>) -> Result<TensorRef, ModelError> {
        self.resolve(raw.as_ref(), raw.span().start)
    }

    fn resolve(&self, names: &raw::Names, offset: usize) -> Result<TensorRef, ModelError> {
        let one = match names {
            raw::Names::One(one) => one,
            raw::Names::Each(list) if list.len() == self.count => &list[self.i],
            raw::Names::Each(list) => {
                return Err(self.wrong(
                    offset,
                    &format!("{} names are listed for {}", list.len(), self.count),
                    "list one per expert, gate or tower of the group",
                ));
            }
        };
        let table = match one {
            raw::Reference::Name(name) => {
                return Ok(TensorRef::One(self.part(name, None, offset)?));
            }
            raw::Reference::Table(table) => table,
        };
        if let (Some(numbers), None, None, None) =
            (&table.numbers, &table.name, &table.rows, &table.sum)
        {
            return Ok(TensorRef::Numbers(numbers.clone()));
        }
        if let (Some([outputs, inputs]), Some(blocks), None, None, None) = (
            table.size,
            &table.blocks,
            &table.name,
            &table.rows,
            &table.sum,
        ) {
            return self.blocks((outputs, inputs), blocks, offset);
        }
        match (&table.name, &table.rows, &table.sum) {
            (Some(name), None, None) => Ok(TensorRef::One(self.part(name, Some(table), offset)?)),
            (None, Some(rows), None) => Ok(TensorRef::Rows(self.parts(rows, offset)?)),
            (None, None, Some(sum)) => Ok(TensorRef::Sum(self.parts(sum, offset)?)),
            _ => Err(self.wrong(
                offset,
                "a tensor's table says not one thing",
                "write { name = \"…\", axis = 2 }, { rows = [\"…\", \"…\"] }, { sum = [\"…\", \
                 \"…\"] } or { size = [8, 8], blocks = [{ at = [0, 0], tensor = \"…\" }] }",
            )),
        }
    }

    fn blocks(
        &self,
        (outputs, inputs): (usize, usize),
        list: &[raw::Block],
        offset: usize,
    ) -> Result<TensorRef, ModelError> {
        let mut made = Blocks {
            outputs,
            inputs,
            ..Blocks::default()
        };
        for raw in list {
            let at @ (row, _) = (raw.at[0], raw.at[1]);
            let block = match (&raw.tensor, raw.repeat, raw.identity, raw.value, raw.count) {
                (Some(tensor), repeat, None, None, None) => {
                    made.parts
                        .extend(self.parts(std::slice::from_ref(tensor), offset)?);
                    match repeat {
                        None => Block::Tensor {
                            at,
                            factor: raw.factor.unwrap_or(1.0),
                        },
                        Some(count) => Block::Repeated { row, count },
                    }
                }
                (None, None, Some(count), None, None) => Block::Identity { at, count },
                (None, None, None, Some(value), Some(count)) => Block::Row { at, value, count },
                _ => {
                    return Err(self.wrong(
                        offset,
                        "a block says not one thing",
                        "write { at = [0, 0], tensor = \"…\", factor = 1.0 }, { at = [0, 0], \
                         identity = 8 } or { at = [0, 0], value = 0.5, count = 8 }",
                    ));
                }
            };
            made.blocks.push(block);
        }
        Ok(TensorRef::Blocks(made))
    }

    fn parts(&self, list: &[raw::Reference], offset: usize) -> Result<Vec<Part>, ModelError> {
        if list.is_empty() {
            return Err(self.wrong(offset, "the list is empty", "name at least one tensor"));
        }
        list.iter()
            .map(|r| match r {
                raw::Reference::Name(name) => self.part(name, None, offset),
                raw::Reference::Table(table) => match &table.name {
                    Some(name) if table.rows.is_none() && table.sum.is_none() => {
                        self.part(name, Some(table), offset)
                    }
                    _ => Err(self.wrong(
                        offset,
                        "rows and sums do not nest",
                        "name the tensors one by one",
                    )),
                },
            })
            .collect()
    }

    fn part(
        &self,
        name: &str,
        table: Option<&raw::Table>,
        offset: usize,
    ) -> Result<Part, ModelError> {
        let name = self
            .context
            .fill(name)
            .map_err(|e| self.wrong(offset, &e, "correct the pattern"))?;
        let pick = match table.map(|t| (t.axis, t.index)) {
            None | Some((None, None)) => None,
            Some((Some(axis), index)) => {
                let index = index.or(self.context.index()).ok_or_else(|| {
                    self.wrong(
                        offset,
                        "nothing says which index of the axis is meant",
                        "add index = 0",
                    )
                })?;
                Some((axis, index))
            }
            Some((None, Some(_))) => {
                return Err(self.wrong(offset, "`index` stands without `axis`", "add axis = 0"));
            }
        };
        Ok(Part {
            name,
            pick,
            line: Some(self.ex.spec.lines.of(offset)),
        })
    }

    fn norm(
        &self,
        raw: &Spanned<raw::Norm>,
        key: &str,
        words: &raw::Words,
    ) -> Result<Norm, ModelError> {
        let (norm, offset) = (raw.as_ref(), raw.span().start);
        let of =
            |n: &Option<Spanned<raw::Names>>| n.as_ref().map(|n| self.reference(n)).transpose();
        let (gamma, beta, mean, variance) = (
            of(&norm.gamma)?,
            of(&norm.beta)?,
            of(&norm.mean)?,
            of(&norm.variance)?,
        );
        let listed = gamma.is_some() || beta.is_some() || mean.is_some() || variance.is_some();
        let scale = key == "scale";
        let epsilon = match norm.epsilon.or(words.epsilon) {
            Some(epsilon) => epsilon,
            None if scale => 0.0,
            None => {
                return Err(missing(
                    &self.here(offset),
                    "epsilon",
                    "epsilon = 1e-5 (PyTorch's default) or 1e-3 (that of Keras); they differ",
                ));
            }
        };
        let mut found = if let Some(prefix) = &norm.prefix {
            if listed {
                return Err(self.wrong(
                    offset,
                    &format!("{key} has a prefix and names beside it"),
                    "write the prefix or the names",
                ));
            }
            let TensorRef::One(part) = self.reference(prefix)? else {
                return Err(self.wrong(
                    offset,
                    &format!("the prefix of {key} is not one name"),
                    "write a pattern",
                ));
            };
            let exists = |n: &str| self.ex.tensors.contains_key(n);
            Norm::at(&part.name, epsilon, &exists).ok_or_else(|| ModelError::NoTensor {
                place: self.here(offset),
                name: format!("{}.weight", part.name),
                near: crate::error::near_names(
                    &format!("{}.weight", part.name),
                    self.ex.tensors.keys(),
                ),
            })?
        } else {
            let kind = mean
                .zip(variance)
                .map_or(NormKind::Layer, |(m, v)| NormKind::Batch(m, v));
            Norm {
                gamma,
                beta,
                kind,
                epsilon,
            }
        };
        if !epsilon.is_finite() || epsilon < 0.0 {
            return Err(self.wrong(
                offset,
                &format!("epsilon = {epsilon}"),
                "it is a small number above 0, such as 1e-5 (PyTorch) or 1e-3 (Keras)",
            ));
        }
        if key != "batch_norm" && found.is_batch() {
            return Err(self.wrong(
                offset,
                &format!("{} has no running mean and variance", article(key)),
                "write batch_norm",
            ));
        }
        if norm.groups.is_some() && key != "group_norm" {
            return Err(self.wrong(offset, "`groups` belongs to group_norm", "remove it"));
        }
        found.kind = match key {
            "batch_norm" if !found.is_batch() => {
                return Err(missing(
                    &self.here(offset),
                    "mean and variance",
                    "a batch norm has a running mean and variance: name both, or write layer_norm",
                ));
            }
            "batch_norm" => found.kind,
            "rms_norm" => NormKind::Rms,
            "group_norm" => NormKind::Group(norm.groups.ok_or_else(|| {
                missing(
                    &self.here(offset),
                    "groups",
                    "groups = 2 for two groups of units",
                )
            })?),
            "l2_norm" => NormKind::L2,
            "scale" => NormKind::Scale,
            _ => NormKind::Layer,
        };
        Ok(found)
    }

    fn dice(&self, raw: &Spanned<raw::Dice>) -> Result<Dice, ModelError> {
        let dice = raw.as_ref();
        let of =
            |n: &Option<Spanned<raw::Names>>| n.as_ref().map(|n| self.reference(n)).transpose();
        let norm = match (of(&dice.mean)?, of(&dice.variance)?) {
            (Some(mean), Some(variance)) => Some(Norm {
                gamma: of(&dice.gamma)?,
                beta: of(&dice.beta)?,
                kind: NormKind::Batch(mean, variance),
                epsilon: dice.epsilon,
            }),
            (None, None) if dice.gamma.is_none() && dice.beta.is_none() => None,
            _ => {
                return Err(missing(
                    &self.here(raw.span().start),
                    "mean and variance",
                    "a dice with a batch norm has both; one without them normalises each row",
                ));
            }
        };
        Ok(Dice {
            alpha: self.reference(&dice.alpha)?,
            norm,
            epsilon: dice.epsilon,
        })
    }

    fn here(&self, offset: usize) -> String {
        self.ex.spec.place(self.place, offset..offset)
    }

    fn wrong(&self, offset: usize, what: &str, remedy: &str) -> ModelError {
        invalid(self.here(offset), what, remedy)
    }
}

/// `a layer norm`, `an RMS norm`.
fn article(key: &str) -> String {
    match key {
        "rms_norm" => "an RMS norm".into(),
        "l2_norm" => "an L2 norm".into(),
        other => format!("a {}", other.replace('_', " ")),
    }
}
