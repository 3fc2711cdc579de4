//! One Keras layer as steps of a chain.

use serde_json::Value;

use super::config::{Layer, REMEDY};
use crate::error::ModelError;
use crate::plan::recognise::names::Names;
use crate::plan::{
    ActivationPlan, Dice, LayerPlan, Layout, Norm, NormKind, OutputPlan, Pointwise, SPEC_NAMES,
    TensorRef,
};

/// Keras's default epsilon of a norm.
pub(super) const EPSILON: f64 = 1e-3;

/// A step of a chain; `outer`: an activation that could be a task's or a gate's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// The layer and its call, which tell shared layers from like ones.
    pub(super) name: String,
    pub(super) plan: LayerPlan,
    pub(super) outer: Option<OutputPlan>,
}

/// What a class of layers is to a chain.
pub(super) enum Kind {
    /// It changes nothing in inference, or nothing but the shape.
    Nothing,
    /// It computes these.
    Steps(Vec<Step>),
    /// It is none of those.
    Other,
}

/// Reads a layer.
pub(super) fn read(names: &Names<'_>, layer: &Layer<'_>) -> Result<Kind, ModelError> {
    let reader = Reader { names, layer };
    reader.refuse_quantized()?;
    let number = |keys: &[&str], default: f64| {
        keys.iter()
            .find_map(|k| layer.config.get(*k))
            .and_then(Value::as_f64)
            .unwrap_or(default)
    };
    let activation = |activation| {
        let plan = LayerPlan {
            activation,
            ..LayerPlan::default()
        };
        Ok(Kind::Steps(vec![reader.step(plan)]))
    };
    match layer.class {
        "Dropout"
        | "GaussianNoise"
        | "GaussianDropout"
        | "AlphaDropout"
        | "SpatialDropout1D"
        | "ActivityRegularization"
        | "Identity"
        | "Flatten"
        | "Masking" => Ok(Kind::Nothing),
        "Dense" => {
            let mut step = reader.step(reader.dense("kernel", "bias", 0, 1)?);
            step.activate(names, layer.config.get("activation"))?;
            Ok(Kind::Steps(vec![step]))
        }
        "Activation" => {
            let mut step = reader.step(LayerPlan::default());
            step.activate(names, layer.config.get("activation"))?;
            Ok(Kind::Steps(vec![step]))
        }
        "Softmax" => {
            let mut step = reader.step(LayerPlan::default());
            step.outer = Some(OutputPlan::Softmax);
            Ok(Kind::Steps(vec![step]))
        }
        "ReLU" => {
            let (slope, threshold) = (
                number(&["negative_slope"], 0.0),
                number(&["threshold"], 0.0),
            );
            let max = layer.config.get("max_value").and_then(Value::as_f64);
            match (slope == 0.0, threshold == 0.0, max) {
                (true, true, None) => activation(ActivationPlan::Relu),
                (false, true, None) => activation(ActivationPlan::LeakyRelu(slope)),
                (true, true, Some(6.0)) => activation(ActivationPlan::Pointwise(Pointwise::Relu6)),
                _ => Err(ModelError::Unsupported {
                    place: format!("layer `{}`", layer.name),
                    what: "a ReLU with these numbers (max_value, threshold, negative_slope)".into(),
                    remedy: "there are relu, leaky_relu and relu6".into(),
                }),
            }
        }
        "LeakyReLU" => activation(ActivationPlan::LeakyRelu(number(
            &["negative_slope", "alpha"],
            0.3,
        ))),
        "ELU" => activation(ActivationPlan::Elu(number(&["alpha"], 1.0))),
        "PReLU" => activation(ActivationPlan::PRelu(reader.tensor("alpha", 0)?)),
        "BatchNormalization" | "LayerNormalization" | "RMSNormalization" | "GroupNormalization" => {
            let norm = reader.norm()?;
            let plan = LayerPlan {
                before: Some(norm),
                ..LayerPlan::default()
            };
            Ok(Kind::Steps(vec![reader.step(plan)]))
        }
        "UnitNormalization" => {
            let norm = Norm {
                gamma: None,
                beta: None,
                kind: NormKind::L2,
                epsilon: 1e-12,
            };
            let plan = LayerPlan {
                before: Some(norm),
                ..LayerPlan::default()
            };
            Ok(Kind::Steps(vec![reader.step(plan)]))
        }
        "Normalization" => {
            let plan = LayerPlan {
                before: Some(reader.standardization()?),
                ..LayerPlan::default()
            };
            Ok(Kind::Steps(vec![reader.step(plan)]))
        }
        "Rescaling" => {
            let numbers = |key: &str, default: f64| match layer.config.get(key) {
                Some(Value::Array(list)) => list.iter().filter_map(Value::as_f64).collect(),
                Some(one) => vec![one.as_f64().unwrap_or(default)],
                None => vec![default],
            };
            let norm = Norm {
                gamma: Some(TensorRef::Numbers(numbers("scale", 1.0))),
                beta: Some(TensorRef::Numbers(numbers("offset", 0.0))),
                kind: NormKind::Scale,
                epsilon: 0.0,
            };
            let plan = LayerPlan {
                before: Some(norm),
                ..LayerPlan::default()
            };
            Ok(Kind::Steps(vec![reader.step(plan)]))
        }
        "DNN" => reader.dnn().map(Kind::Steps),
        _ => Ok(Kind::Other),
    }
}

struct Reader<'a, 'c> {
    names: &'a Names<'c>,
    layer: &'a Layer<'c>,
}

impl Reader<'_, '_> {
    fn step(&self, plan: LayerPlan) -> Step {
        Step {
            name: self.layer.name.clone(),
            plan,
            outer: None,
        }
    }

    fn place(&self) -> String {
        format!("layer `{}`", self.layer.name)
    }

    /// Keras quantizes what enters such a layer too, row by row: no float layer computes the same.
    fn refuse_quantized(&self) -> Result<(), ModelError> {
        let quantized = |v: &Value| v.to_string().contains("QuantizedDTypePolicy");
        if self.layer.config.get("dtype").is_some_and(quantized)
            || self
                .layer
                .config
                .get("quantization_mode")
                .is_some_and(Value::is_string)
        {
            return Err(ModelError::Unsupported {
                place: self.place(),
                what: "a layer that Keras quantized (`model.quantize`)".into(),
                remedy: "convert the file saved before that call; mmoe quantizes itself \
                         (--precision i8)"
                    .into(),
            });
        }
        Ok(())
    }

    /// A tensor by its name, or by its number where Keras 3 numbers them.
    fn find(&self, key: &str, number: usize) -> Option<String> {
        self.layer.paths.iter().find_map(|path| {
            [
                format!("{path}/{key}:0"),
                format!("{path}/{key}"),
                format!("{path}/vars/{number}"),
            ]
            .into_iter()
            .find(|n| self.names.has(n))
        })
    }

    fn tensor(&self, key: &str, number: usize) -> Result<TensorRef, ModelError> {
        self.find(key, number).map(TensorRef::name).ok_or_else(|| {
            self.names.wrong(
                &format!("{} has no {key} among the tensors", self.place()),
                REMEDY,
            )
        })
    }

    fn dense(
        &self,
        kernel: &str,
        bias: &str,
        number: usize,
        behind: usize,
    ) -> Result<LayerPlan, ModelError> {
        let biased = self
            .layer
            .config
            .get("use_bias")
            .and_then(Value::as_bool)
            .unwrap_or(true);
        Ok(LayerPlan {
            weight: Some(self.tensor(kernel, number)?),
            layout: Layout::InOut,
            bias: self
                .find(bias, behind)
                .filter(|_| biased)
                .map(TensorRef::name),
            ..LayerPlan::default()
        })
    }

    fn norm(&self) -> Result<Norm, ModelError> {
        let config = self.layer.config;
        let on = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(true);
        let class = self.layer.class;
        let rms = class == "RMSNormalization";
        // Keras divides by the deviation there and leaves the mean in: no norm of the engine's.
        if config.get("rms_scaling").and_then(Value::as_bool) == Some(true) {
            return Err(ModelError::Unsupported {
                place: self.place(),
                what: "a LayerNormalization with rms_scaling".into(),
                remedy: "it is no RMS norm, since it divides by the deviation and leaves the mean \
                         in: train with RMSNormalization, or without rms_scaling"
                    .into(),
            });
        }
        let epsilon = config.get("epsilon").and_then(Value::as_f64);
        let default = if class == "RMSNormalization" {
            1e-6
        } else {
            EPSILON
        };
        // In `vars/N` only the weights that exist are numbered. Keras's RMS norm has gains alone.
        let mut wanted: Vec<&str> = Vec::new();
        wanted.extend((on("scale") || rms).then_some("gamma"));
        wanted.extend((on("center") && !rms).then_some("beta"));
        wanted.extend((class == "BatchNormalization").then_some("moving_mean"));
        wanted.extend((class == "BatchNormalization").then_some("moving_variance"));
        let find = |key: &str| {
            let number = wanted.iter().position(|w| *w == key)?;
            let scale = ["scale"].iter().find_map(|k| self.find(k, number));
            let named = self.find(key, number);
            named
                .or(scale.filter(|_| key == "gamma"))
                .map(TensorRef::name)
        };
        let kind = match (class, find("moving_mean").zip(find("moving_variance"))) {
            ("BatchNormalization", Some((mean, variance))) => NormKind::Batch(mean, variance),
            ("BatchNormalization", None) => {
                return Err(self.names.wrong(
                    &format!(
                        "{} has no moving mean and variance among the tensors",
                        self.place()
                    ),
                    REMEDY,
                ));
            }
            ("GroupNormalization", _) => {
                // Keras's −1, a group for each unit, is no number of groups here, and is refused.
                let groups = config.get("groups").map_or(Some(32), Value::as_u64);
                let groups = groups.and_then(|n| usize::try_from(n).ok());
                NormKind::Group(groups.unwrap_or(0))
            }
            _ if rms => NormKind::Rms,
            _ => NormKind::Layer,
        };
        Ok(Norm {
            gamma: find("gamma"),
            beta: find("beta"),
            kind,
            epsilon: epsilon.unwrap_or(default),
        })
    }

    /// A `Normalization`, whose mean and variance were measured, or written down.
    fn standardization(&self) -> Result<Norm, ModelError> {
        /// Keras divides by no less than 1e-7.
        const LEAST: f64 = 1e-14;
        if self.layer.config.get("invert").and_then(Value::as_bool) == Some(true) {
            return Err(ModelError::Unsupported {
                place: self.place(),
                what: "a Normalization with invert".into(),
                remedy: "apply it before the model".into(),
            });
        }
        let given = |key: &str| -> Option<TensorRef> {
            let numbers = match self.layer.config.get(key)? {
                Value::Array(list) => list.iter().filter_map(Value::as_f64).collect(),
                one => vec![one.as_f64()?],
            };
            Some(TensorRef::Numbers(numbers))
        };
        let (mean, variance) = match given("mean").zip(given("variance")) {
            Some(both) => both,
            None => (self.tensor("mean", 0)?, self.tensor("variance", 1)?),
        };
        Ok(Norm {
            gamma: None,
            beta: None,
            kind: NormKind::Batch(mean, variance),
            epsilon: LEAST,
        })
    }

    /// DeepCTR's `DNN`: kernels, then biases, then norms or Dices.
    fn dnn(&self) -> Result<Vec<Step>, ModelError> {
        let config = self.layer.config;
        let hidden = config
            .get("hidden_units")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let activation = config.get("activation");
        let last = config.get("output_activation").filter(|a| a.is_string());
        let normed = config.get("use_bn").and_then(Value::as_bool) == Some(true);
        let mut steps = Vec::new();
        for j in 0..hidden {
            let mut plan = self.dense(&format!("kernel{j}"), &format!("bias{j}"), j, hidden + j)?;
            plan.before = if normed {
                Some(self.dnn_norm("bn_layers", "batch_normalization", j)?)
            } else {
                None
            };
            let mut step = self.step(plan);
            step.name = format!("{}[{j}]", self.layer.name);
            let own = if j + 1 == hidden {
                last.or(activation)
            } else {
                activation
            };
            if own
                .and_then(Value::as_str)
                .is_some_and(|a| a.eq_ignore_ascii_case("dice"))
            {
                step.plan.activation = self.dnn_dice(j)?;
            } else {
                step.activate(self.names, own)?;
                // Inside a DNN a sigmoid is no task's.
                step = step.inside();
            }
            steps.push(step);
        }
        Ok(steps)
    }

    /// Paths of the `j`-th layer of a list inside this layer.
    fn inner(&self, list: &str, class: &str, j: usize) -> Vec<String> {
        let numbered = if j == 0 {
            class.to_owned()
        } else {
            format!("{class}_{j}")
        };
        let paths = self.layer.paths.iter();
        paths
            .flat_map(|p| [format!("{p}/{list}/{numbered}"), format!("{p}/{numbered}")])
            .collect()
    }

    fn batch(&self, paths: &[String], epsilon: f64) -> Option<Norm> {
        let exists = |n: &str| self.names.has(n);
        paths
            .iter()
            .find_map(|p| Norm::at(p, epsilon, &exists))
            .filter(Norm::is_batch)
    }

    fn dnn_norm(&self, list: &str, class: &str, j: usize) -> Result<Norm, ModelError> {
        self.batch(&self.inner(list, class, j), EPSILON)
            .ok_or_else(|| {
                self.names
                    .wrong(&format!("{} has no batch norm {j}", self.place()), REMEDY)
            })
    }

    fn dnn_dice(&self, j: usize) -> Result<ActivationPlan, ModelError> {
        /// DeepCTR's own default.
        const DICE: f64 = 1e-9;
        let missing = || {
            self.names
                .wrong(&format!("{} has no dice {j}", self.place()), REMEDY)
        };
        let paths = self.inner("activation_layers", "dice", j);
        let alpha = paths.iter().find_map(|p| {
            [
                format!("{p}/dice_alpha:0"),
                format!("{p}/dice_alpha"),
                format!("{p}/vars/0"),
            ]
            .into_iter()
            .find(|n| self.names.has(n))
        });
        let alpha = TensorRef::name(alpha.ok_or_else(missing)?);
        let below: Vec<String> = paths
            .iter()
            .flat_map(|p| {
                let first = ["bn", "batch_normalization"].map(|n| format!("{p}/{n}"));
                first
                    .into_iter()
                    .chain([format!("{p}/batch_normalization_{j}")])
            })
            .collect();
        let norm = self.plain_batch(&below, DICE).ok_or_else(missing)?;
        let dice = Dice {
            alpha,
            norm: Some(norm),
            epsilon: DICE,
        };
        Ok(ActivationPlan::Dice(Box::new(dice)))
    }

    /// A batch norm without gains, which numbers its statistics 0 and 1.
    fn plain_batch(&self, paths: &[String], epsilon: f64) -> Option<Norm> {
        let named = paths.iter().find_map(|p| {
            [
                [
                    format!("{p}/moving_mean:0"),
                    format!("{p}/moving_variance:0"),
                ],
                [format!("{p}/moving_mean"), format!("{p}/moving_variance")],
                [format!("{p}/vars/0"), format!("{p}/vars/1")],
            ]
            .into_iter()
            .find(|pair| pair.iter().all(|n| self.names.has(n)))
        })?;
        let [mean, variance] = named.map(TensorRef::name);
        let kind = NormKind::Batch(mean, variance);
        Some(Norm {
            gamma: None,
            beta: None,
            kind,
            epsilon,
        })
    }
}

impl Step {
    pub(super) fn activate(
        &mut self,
        names: &Names<'_>,
        value: Option<&Value>,
    ) -> Result<(), ModelError> {
        let place = format!("layer `{}`", self.name);
        let text = value
            .map_or_else(|| Some("linear".to_owned()), activation_name)
            .ok_or_else(|| {
                names.wrong(
                    &format!("{place} has an activation of its own"),
                    "describe the model in a spec",
                )
            })?;
        match text.as_str() {
            "softmax" => self.outer = Some(OutputPlan::Softmax),
            "sigmoid" => self.outer = Some(OutputPlan::Sigmoid),
            other => self.plan.activation = activation(other, &place)?,
        }
        Ok(())
    }

    /// The step, a sigmoid that is no task's being its activation.
    pub(super) fn inside(mut self) -> Self {
        if self.outer == Some(OutputPlan::Sigmoid) {
            self.plan.activation = ActivationPlan::Sigmoid;
            self.outer = None;
        }
        self
    }
}

/// The name of an activation, written as text or as a serialized function.
pub(super) fn activation_name(value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => "linear",
        Value::String(text) => text,
        other => other.get("config").and_then(|c| c.as_str())?,
    };
    Some(text.to_owned())
}

/// An activation by Keras's name.
pub(super) fn activation(text: &str, place: &str) -> Result<ActivationPlan, ModelError> {
    Ok(match text {
        // The function's default; the layer of that name has another.
        "leaky_relu" => ActivationPlan::LeakyRelu(0.2),
        other => ActivationPlan::named(other).ok_or_else(|| ModelError::Unsupported {
            place: place.into(),
            what: format!("activation `{other}`"),
            remedy: format!("there are {SPEC_NAMES}"),
        })?,
    })
}
