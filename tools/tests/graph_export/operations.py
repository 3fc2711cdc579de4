"""What single operations give: `python operations.py` writes `operations.json` beside itself.

The numbers are those of ONNX' own reference evaluator and, for what ONNX does not have, of NumPy.
The interpreter of `tools/src/program/interpret/` is tested with them.
"""

import json
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

RNG = np.random.default_rng(17)


def numbers(*shape):
    """Multiples of 1/8, so that they are short to write."""
    return (RNG.integers(-20, 21, shape) / 8).astype(np.float64)


def ints(*values):
    return np.array(values, dtype=np.int64)


def onnx(kind, inputs, outputs=1, **attributes):
    names = [f"i{n}" if x is not None else "" for n, x in enumerate(inputs)]
    made = [f"o{n}" for n in range(outputs)]
    node = helper.make_node(kind, names, made, **attributes)
    types = {np.dtype("float64"): TensorProto.DOUBLE, np.dtype("int64"): TensorProto.INT64}
    info = [
        helper.make_tensor_value_info(n, types.get(x.dtype, TensorProto.BOOL), x.shape)
        for n, x in zip(names, inputs)
        if n
    ]
    out = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in made]
    graph = helper.make_graph([node], "g", info, out)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    feed = {n: x for n, x in zip(names, inputs) if n}
    return ReferenceEvaluator(model).run(None, feed)


def main():
    x, cube, four = numbers(3, 5), numbers(2, 3, 4), numbers(2, 4, 3, 2)
    cases = {}

    def case(name, kind, inputs, outputs=1, **attributes):
        cases[name] = (inputs, onnx(kind, inputs, outputs, **attributes))

    def other(name, inputs, *outputs):
        cases[name] = (inputs, outputs)

    for kind in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "HardSwish", "Erf",
                 "Exp", "Abs", "Sign", "Floor", "Gelu"):
        case(kind, kind, [x])
    case("GeluTanh", "Gelu", [x], approximate="tanh")
    case("LeakyRelu", "LeakyRelu", [x], alpha=0.25)
    case("Elu", "Elu", [x], alpha=0.5)
    case("Selu", "Selu", [x], alpha=1.5, gamma=1.25)
    case("HardSigmoid", "HardSigmoid", [x], alpha=0.25, beta=0.5)
    case("Clip", "Clip", [x, np.array(-0.5), np.array(1.25)])
    row, column = numbers(5), numbers(3, 1)
    for kind in ("Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"):
        case(kind, kind, [x, row + 0.0625])
    case("Less", "Less", [row, column])
    case("Where", "Where", [x > 0, row, column])
    case("MatMul", "MatMul", [four, numbers(4, 2, 3)])
    case("MatMul of a vector", "MatMul", [numbers(3), numbers(2, 3, 4)])
    case("MatMul by a vector", "MatMul", [cube, numbers(4)])
    a, b = numbers(2, 4, 3), numbers(2, 5, 4)
    other("MatMul turned", [a, b], np.swapaxes(a, 1, 2) @ np.swapaxes(b, 1, 2))
    case("Einsum", "Einsum", [numbers(3, 2, 4), numbers(2, 5, 4)], equation="bei,eoi->boe")
    case("Einsum with dots", "Einsum", [four, numbers(2, 5)], equation="...i,io->o...")
    case("Conv", "Conv", [numbers(2, 6, 1), numbers(4, 3, 1), numbers(4)], group=2)
    case("Softmax", "Softmax", [cube], axis=1)
    z = np.exp(cube - cube.max((1, 2), keepdims=True))
    other("Softmax of old", [cube], z / z.sum((1, 2), keepdims=True))
    for kind in ("Sum", "Mean", "Max", "Min", "Prod", "L2", "SumSquare"):
        case(f"Reduce{kind}", f"Reduce{kind}", [cube, ints(0, -1)], keepdims=0)
    case("LayerNorm", "LayerNormalization", [cube, numbers(3, 4), numbers(3, 4)], axis=1, epsilon=0.01)
    case("GroupNorm", "GroupNormalization", [four, numbers(4), numbers(4)], num_groups=2, epsilon=0.01)
    variance = np.abs(numbers(4)) + 0.5
    case("BatchNorm", "BatchNormalization",
         [four, numbers(4), numbers(4), numbers(4), variance], epsilon=0.01)
    case("GlobalAveragePool", "GlobalAveragePool", [four])
    case("Reshape", "Reshape", [cube, ints(0, -1, 2)])
    case("Flatten", "Flatten", [four], axis=2)
    case("Squeeze", "Squeeze", [numbers(1, 3, 1), ints(-1)])
    case("Unsqueeze", "Unsqueeze", [x, ints(0, -1)])
    case("Transpose", "Transpose", [cube], perm=[2, 0, 1])
    case("Concat", "Concat", [cube, numbers(2, 1, 4), numbers(2, 2, 4)], axis=1)
    other("Stack", [x, x + 1], np.stack([x, x + 1], 1))
    case("Split", "Split", [x, ints(1, 3, 1)], 3, axis=1)
    case("Slice", "Slice", [four, ints(-1, 9, 0), ints(-9, 0, 9), ints(1, 2, -1), ints(-2, -1, 1)])
    strided = four[:, 2, np.newaxis, ::-2]
    other("StridedSlice", [four, ints(9, 2, 0, 7), ints(9, 0, 0, 7), ints(1, 1, 1, -2)], strided)
    other("SliceSize", [cube, ints(0, 1, 1), ints(-1, 2, 2)], cube[:, 1:3, 1:3])
    case("Gather", "Gather", [cube, np.array([[2, 0], [-1, 1]])], axis=1)
    case("Expand", "Expand", [column, ints(2, 1, 4)])
    case("Tile", "Tile", [x, ints(2, 3)])
    case("Shape", "Shape", [four], start=1, end=-1)
    case("Range", "Range", [ints(3)[0], ints(12)[0], ints(4)[0]])
    ties = np.array([[1.0, 3, 2, 3], [0, -1, 0, -2]])
    case("TopK", "TopK", [ties, ints(2)], 2, axis=1)
    case("TopK of the first axis", "TopK", [x, ints(2)], 2, axis=0)
    case("ArgMax", "ArgMax", [cube], axis=1, keepdims=0)
    case("OneHot", "OneHot", [np.array([[0, 2], [-1, 1]]), ints(3)[0], np.array([0.5, 2.0])], axis=1)
    case("ScatterElements", "ScatterElements", [x, np.array([[1, 0], [-1, 2]]), numbers(2, 2)], axis=1)

    def tensor(x):
        x = np.asarray(x, dtype=np.float64)
        return {"shape": x.shape, "data": x.ravel().tolist()}

    lines = [
        f"{json.dumps(name)}: " + json.dumps(
            {"inputs": [tensor(x) for x in inputs], "outputs": [tensor(x) for x in outputs]})
        for name, (inputs, outputs) in cases.items()
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (Path(__file__).parent / "operations.json").write_text(text)


if __name__ == "__main__":
    main()
