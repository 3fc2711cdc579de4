"""keras-mmoe's layer written anew for Keras 3: all experts in one kernel [inputs, units, experts], one kernel per gate."""

from keras import activations, layers, ops


class MMoE(layers.Layer):
    """Returns one mixture per task."""

    def __init__(self, units, num_experts, num_tasks, use_expert_bias=True, use_gate_bias=True, expert_activation="relu", gate_activation="softmax", **kwargs):
        super().__init__(**kwargs)
        self.units, self.num_experts, self.num_tasks = units, num_experts, num_tasks
        self.use_expert_bias, self.use_gate_bias = use_expert_bias, use_gate_bias
        self.expert_activation = activations.get(expert_activation)
        self.gate_activation = activations.get(gate_activation)

    def build(self, input_shape):
        def weight(name, shape, initializer="VarianceScaling"):
            return self.add_weight(name=name, shape=shape, initializer=initializer)

        # All gate kernels come before all gate biases, as in the original's files.
        width = input_shape[-1]
        self.expert_kernels = weight("expert_kernel", (width, self.units, self.num_experts))
        if self.use_expert_bias:
            self.expert_bias = weight("expert_bias", (self.units, self.num_experts), "zeros")
        tasks = range(self.num_tasks)
        self.gate_kernels = [weight(f"gate_kernel_task_{t}", (width, self.num_experts)) for t in tasks]
        if self.use_gate_bias:
            self.gate_bias = [weight(f"gate_bias_task_{t}", (self.num_experts,), "zeros") for t in tasks]
        self.built = True

    def call(self, inputs):
        experts, gates = self.parts(inputs)
        return [ops.sum(experts * ops.expand_dims(gate, -1), axis=1) for gate in gates]

    def parts(self, inputs):
        """Experts [rows, experts, units] and the list of gates [rows, experts]."""
        experts = ops.tensordot(inputs, self.expert_kernels, axes=1)
        if self.use_expert_bias:
            experts = experts + self.expert_bias
        gates = []
        for t in range(self.num_tasks):
            logits = ops.matmul(inputs, self.gate_kernels[t])
            gates.append(self.gate_activation(logits + self.gate_bias[t] if self.use_gate_bias else logits))
        return ops.transpose(self.expert_activation(experts), (0, 2, 1)), gates
