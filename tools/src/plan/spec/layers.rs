//! Layers and tensor references of a spec.

use toml::Spanned;

use super::expand::{Expander, invalid, missing};
use super::pattern::Context;
use super::raw;
use crate::error::ModelError;
use crate::plan::{ActivationPlan, LayerPlan, Layout, Norm, Part, TensorRef};

/// A layer for one unit, the `i`-th of `count` alike; beside it its activation as the spec spells
/// it, where that is one of a gate or an output and not of a layer.
pub(super) fn expand(
    ex: &Expander<'_>,
    raw: &Spanned<raw::Layer>,
    context: &Context<'_>,
    i: usize,
    count: usize,
    place: &str,
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
        && layer.batch_norm.is_none()
        && layer.layer_norm.is_none()
        && layer.activation.is_none()
    {
        return Err(missing(&here, "weight", "weight = \"the tensor's name\""));
    }
    let mut plan = LayerPlan {
        weight,
        bias,
        layout: layout(layer.layout.or(ex.spec.raw.layout)),
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
    for (raw, batch) in [(&layer.batch_norm, true), (&layer.layer_norm, false)] {
        let Some(raw) = raw else { continue };
        let norm = names.norm(raw, batch)?;
        let slot = if raw.as_ref().after_activation {
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
    let mut outer = None;
    let activation = layer.activation.as_ref().map(|a| a.as_ref().as_str());
    plan.activation = match (activation, &layer.slope) {
        (None | Some("linear"), None) => ActivationPlan::Linear,
        (Some("relu"), None) => ActivationPlan::Relu,
        (Some("sigmoid"), None) => {
            outer = Some("sigmoid".to_owned());
            ActivationPlan::Sigmoid
        }
        (Some("tanh"), None) => ActivationPlan::Tanh,
        (Some("softmax"), None) => {
            outer = Some("softmax".to_owned());
            ActivationPlan::Linear
        }
        (Some("leaky_relu"), Some(slope)) => match slope.as_ref() {
            raw::Slope::Number(slope) => ActivationPlan::LeakyRelu(*slope),
            raw::Slope::Tensor(_) => {
                return Err(invalid(
                    here,
                    "a leaky_relu's slope is a number",
                    "write slope = 0.01, or activation = \"prelu\" for a trained slope",
                ));
            }
        },
        (Some("prelu"), Some(slope)) => match slope.as_ref() {
            raw::Slope::Tensor(tensor) => {
                ActivationPlan::PRelu(names.resolve(tensor, slope.span().start)?)
            }
            raw::Slope::Number(_) => {
                return Err(invalid(
                    here,
                    "a prelu's slope is a tensor",
                    "write slope = \"the tensor's name\", or activation = \"leaky_relu\" for a \
                     number",
                ));
            }
        },
        (Some("leaky_relu"), None) => {
            return Err(missing(
                &here,
                "slope",
                "slope = 0.01 (PyTorch's default) or 0.3 (that of Keras's LeakyReLU layer); they \
                 differ",
            ));
        }
        (Some("prelu"), None) => {
            return Err(missing(
                &here,
                "slope",
                "slope = \"the name of the slope's tensor\"",
            ));
        }
        (_, Some(_)) => {
            return Err(invalid(
                here,
                "`slope` belongs to leaky_relu and prelu",
                "remove it or name the activation",
            ));
        }
        (Some(other), None) => {
            return Err(ModelError::Unsupported {
                place: here,
                what: format!("activation `{other}`"),
                remedy: "there are linear, relu, leaky_relu, prelu, sigmoid, tanh".into(),
            });
        }
    };
    Ok((plan, outer))
}

fn layout(raw: Option<raw::Layout>) -> Layout {
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
        match (&table.name, &table.rows, &table.sum) {
            (Some(name), None, None) => Ok(TensorRef::One(self.part(name, Some(table), offset)?)),
            (None, Some(rows), None) => Ok(TensorRef::Rows(self.parts(rows, offset)?)),
            (None, None, Some(sum)) => Ok(TensorRef::Sum(self.parts(sum, offset)?)),
            _ => Err(self.wrong(
                offset,
                "a tensor's table says not one thing",
                "write { name = \"…\", axis = 2 }, { rows = [\"…\", \"…\"] } or { sum = [\"…\", \
                 \"…\"] }",
            )),
        }
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

    fn norm(&self, raw: &Spanned<raw::Norm>, batch: bool) -> Result<Norm, ModelError> {
        let (norm, offset) = (raw.as_ref(), raw.span().start);
        let key = if batch { "batch_norm" } else { "layer_norm" };
        let of =
            |n: &Option<Spanned<raw::Names>>| n.as_ref().map(|n| self.reference(n)).transpose();
        let (gamma, beta, mean, variance) = (
            of(&norm.gamma)?,
            of(&norm.beta)?,
            of(&norm.mean)?,
            of(&norm.variance)?,
        );
        let listed = gamma.is_some() || beta.is_some() || mean.is_some() || variance.is_some();
        let found = if let Some(prefix) = &norm.prefix {
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
            Norm::at(&part.name, norm.epsilon, &exists).ok_or_else(|| ModelError::NoTensor {
                place: self.here(offset),
                name: format!("{}.weight", part.name),
                near: crate::error::near_names(
                    &format!("{}.weight", part.name),
                    self.ex.tensors.keys(),
                ),
            })?
        } else {
            Norm {
                gamma,
                beta,
                moments: mean.zip(variance),
                epsilon: norm.epsilon,
            }
        };
        if !norm.epsilon.is_finite() || norm.epsilon < 0.0 {
            return Err(self.wrong(
                offset,
                &format!("epsilon = {}", norm.epsilon),
                "it is a small number above 0, such as 1e-5 (PyTorch) or 1e-3 (Keras)",
            ));
        }
        match (batch, &found.moments) {
            (true, None) => Err(missing(
                &self.here(offset),
                "mean and variance",
                "a batch norm has a running mean and variance: name both, or write layer_norm",
            )),
            (false, Some(_)) => Err(self.wrong(
                offset,
                "a layer norm has no running mean and variance",
                "write batch_norm",
            )),
            _ => Ok(found),
        }
    }

    fn here(&self, offset: usize) -> String {
        self.ex.spec.place(self.place, offset..offset)
    }

    fn wrong(&self, offset: usize, what: &str, remedy: &str) -> ModelError {
        invalid(self.here(offset), what, remedy)
    }
}
