"""Models in Keras, written once for Keras 3 and tf_keras (`k` is the package)."""


def classes(k):
    """The packed layers that public repositories have."""
    import tensorflow as tf

    class PackedMMoE(k.layers.Layer):
        """keras-mmoe: experts and gates as packed kernels, mixed by multiply and sum."""

        def __init__(self, units, experts, tasks, **kwargs):
            super().__init__(**kwargs)
            self.sizes = (units, experts, tasks)

        def build(self, shape):
            units, experts, tasks = self.sizes
            n = int(shape[-1])
            new = self.add_weight
            self.experts_w = new(name="expert_kernel", shape=(n, units, experts))
            self.experts_b = new(name="expert_bias", shape=(units, experts), initializer="random_normal")
            self.gates_w = [new(name=f"gate{i}_kernel", shape=(n, experts)) for i in range(tasks)]
            self.gates_b = [new(name=f"gate{i}_bias", shape=(experts,), initializer="random_normal") for i in range(tasks)]

        def call(self, x):
            units = self.sizes[0]
            e = tf.tensordot(x, self.experts_w, axes=1) + self.experts_b
            e = tf.nn.relu(e)
            outs = []
            for w, b in zip(self.gates_w, self.gates_b):
                g = tf.nn.softmax(tf.matmul(x, w) + b)
                g = tf.repeat(tf.expand_dims(g, 1), units, axis=1)
                outs.append(tf.reduce_sum(e * g, axis=2))
            return outs

    class HubMMoE(k.layers.Layer):
        """hub-recsys: dense layers for experts and gates, mixed by matmul."""

        def __init__(self, units, experts, tasks, **kwargs):
            super().__init__(**kwargs)
            self.experts = [k.layers.Dense(units, activation="relu") for _ in range(experts)]
            self.gates = [k.layers.Dense(experts, activation="softmax") for _ in range(tasks)]

        def call(self, x):
            e = tf.stack([expert(x) for expert in self.experts], axis=2)
            return [tf.squeeze(tf.matmul(e, tf.expand_dims(g(x), 2)), 2) for g in self.gates]

    return PackedMMoE, HubMMoE


def dense(k, x, units, act, norm=None):
    x = k.layers.Dense(units, bias_initializer="random_normal")(x)
    if norm:
        x = norm()(x)
    return act()(x) if callable(act) and not isinstance(act, str) else k.layers.Activation(act)(x)


def heads(k, mixed, tasks):
    outs = []
    for at, (y, out) in enumerate(zip(mixed, tasks)):
        y = dense(k, y, 5, "relu")
        units = 3 if out == "softmax" else 1
        outs.append(k.layers.Dense(units, activation=out, name=f"task{at}")(y))
    return outs


def mix(k, gate, experts, how):
    if how == "dot":
        stack = k.layers.Concatenate(axis=1)([k.layers.Reshape((1, e.shape[-1]))(e) for e in experts])
        return k.layers.Dot(axes=1)([gate, stack])
    parts = []
    for at, e in enumerate(experts):
        weight = k.layers.Lambda(lambda g, at=at: g[:, at : at + 1])(gate)
        parts.append(k.layers.Multiply()([weight, e]))
    return k.layers.Add()(parts)


def mmoe(k, inputs=10, experts=3, act="relu", norm=None, how="dot", tasks=("sigmoid", "linear"), named=False):
    x = k.Input((inputs,), name="x")
    first = x
    if named:
        a, b = k.Input((6,), name="user"), k.Input((4,), name="item")
        x, first = k.layers.Concatenate()([a, b]), [a, b]
    made = [dense(k, dense(k, x, 8, act, norm), 6, act, norm) for _ in range(experts)]
    gates = [k.layers.Dense(experts, activation="softmax")(x) for _ in tasks]
    return k.Model(first, heads(k, [mix(k, g, made, how) for g in gates], tasks))


def packed(k, tasks=("sigmoid", "linear")):
    layer = classes(k)[0]
    x = k.Input((10,), name="x")
    return k.Model(x, heads(k, layer(7, 4, len(tasks))(x), tasks))


def hub(k, tasks=("sigmoid", "linear")):
    layer = classes(k)[1]
    x = k.Input((10,), name="x")
    return k.Model(x, heads(k, layer(7, 4, len(tasks))(x), tasks))


def ple(k, levels):
    x = k.Input((10,), name="x")
    streams = [x, x, x]
    for level in range(levels):
        experts = [[dense(k, s, 6, "relu") for _ in range(2)] for s in streams]
        made = []
        for t in range(2):
            gate = k.layers.Dense(4, activation="softmax")(streams[t])
            made.append(mix(k, gate, experts[t] + experts[2], "dot"))
        if level + 1 < levels:
            gate = k.layers.Dense(6, activation="softmax")(streams[2])
            made.append(mix(k, gate, sum(experts, []), "dot"))
        streams = made
    return k.Model(x, heads(k, streams[:2], ("sigmoid", "sigmoid")))


def esmm(k):
    x = k.Input((10,), name="x")
    ctr, cvr = (k.layers.Dense(1, activation="sigmoid")(dense(k, x, 8, "relu")) for _ in range(2))
    return k.Model(x, [ctr, k.layers.Multiply()([ctr, cvr])])


def bottom(k):
    x = k.Input((10,), name="x")
    h = dense(k, dense(k, x, 9, "silu" if k.__name__ == "keras" else "swish"), 7, "tanh")
    return k.Model(x, heads(k, [h, h, h], ("sigmoid", "linear", "softmax")))


def residual(k):
    x = k.Input((10,), name="x")
    x1 = dense(k, x, 8, "relu")
    experts = [k.layers.Add()([x1, dense(k, x1, 8, "relu")]) for _ in range(3)]
    gates = [k.layers.Dense(3, activation="softmax")(x1) for _ in range(2)]
    return k.Model(x, heads(k, [mix(k, g, experts, "dot") for g in gates], ("sigmoid", "linear")))
