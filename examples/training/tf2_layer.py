"""The TF2 `MMoE` layer of hub-recsys, written anew for Keras 3: the same arguments, the same lists of Dense layers, hence the same files."""

from keras import layers, ops


class MMoE(layers.Layer):
    """Returns one mixture per task. The defaults are the original's; `activity_regularizer` is taken and left unused there too."""

    def __init__(
        self, units, num_experts, num_tasks, use_expert_bias=True, use_gate_bias=True, expert_activation="relu", gate_activation="softmax",
        expert_bias_initializer="zeros", gate_bias_initializer="zeros", expert_bias_regularizer=None, gate_bias_regularizer=None,
        expert_bias_constraint=None, gate_bias_constraint=None, expert_kernel_initializer="VarianceScaling",
        gate_kernel_initializer="VarianceScaling", expert_kernel_regularizer=None, gate_kernel_regularizer=None,
        expert_kernel_constraint=None, gate_kernel_constraint=None, activity_regularizer=None, **kwargs,
    ):
        super().__init__(**kwargs)
        self.expert_layers = [
            layers.Dense(
                units, activation=expert_activation, use_bias=use_expert_bias, bias_initializer=expert_bias_initializer,
                bias_regularizer=expert_bias_regularizer, bias_constraint=expert_bias_constraint, kernel_initializer=expert_kernel_initializer,
                kernel_regularizer=expert_kernel_regularizer, kernel_constraint=expert_kernel_constraint,
            )
            for _ in range(num_experts)
        ]
        self.gate_layers = [
            layers.Dense(
                num_experts, activation=gate_activation, use_bias=use_gate_bias, bias_initializer=gate_bias_initializer,
                bias_regularizer=gate_bias_regularizer, bias_constraint=gate_bias_constraint, kernel_initializer=gate_kernel_initializer,
                kernel_regularizer=gate_kernel_regularizer, kernel_constraint=gate_kernel_constraint,
            )
            for _ in range(num_tasks)
        ]

    def build(self, input_shape):
        for layer in self.expert_layers + self.gate_layers:
            layer.build(input_shape)

    def call(self, inputs):
        experts, gates = self.parts(inputs)
        return [ops.sum(experts * ops.expand_dims(gate, -1), axis=1) for gate in gates]

    def parts(self, inputs):
        """Experts [rows, experts, units] and the list of gates [rows, experts]."""
        return ops.stack([layer(inputs) for layer in self.expert_layers], axis=1), [layer(inputs) for layer in self.gate_layers]


def all_arguments():
    """Every argument after the first three at its default, so that a saved configuration names them all."""
    import inspect

    return {k: p.default for k, p in inspect.signature(MMoE.__init__).parameters.items() if p.default is not inspect.Parameter.empty}
