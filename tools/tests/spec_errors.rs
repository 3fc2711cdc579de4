//! Every mistake in a spec is an error that says what, where, and what to do.

use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::{made, read};

fn error(weights: &Weights, spec: &str) -> String {
    match Spec::parse(spec) {
        Err(e) => e.to_string(),
        Ok(spec) => build(weights.clone(), Some(&spec), Options::default())
            .map_or_else(|e| e.to_string(), |_| "no error".into()),
    }
}

fn edge_spec() -> String {
    std::fs::read_to_string(testkit::fixtures::fixture("pytorch-edge/spec.toml")).unwrap()
}

/// Replaces text in the spec of `pytorch-edge`, which must be there, and wants all of `says` in the
/// error.
fn edge(cases: &[(&str, &str, &[&str])]) {
    let weights = read("pytorch-edge/model.safetensors");
    let mut wrong = Vec::new();
    for (from, to, says) in cases {
        let spec = edge_spec();
        assert!(spec.contains(from), "{from}");
        let text = error(&weights, &spec.replacen(from, to, 1));
        wrong.extend(
            says.iter()
                .filter(|part| !text.contains(**part))
                .map(|part| format!("`{from}` → `{to}`: no `{part}` in: {text}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn keys_and_values_are_named_with_their_line() {
    edge(&[
        (
            "count = 4",
            "coutn = 4",
            &["line 5", "unknown field `coutn`", "`count`"],
        ),
        (
            "weight = \"experts.{expert}.0.weight\"",
            "wieght = \"a\"",
            &["line 7", "unknown field `wieght`"],
        ),
        ("name = \"y0\"\n", "", &["line 17", "missing field `name`"]),
        (
            "activation = \"sigmoid\" ",
            "activation = \"swish\" ",
            &[
                "task `y0` (spec line 19)",
                "activation = \"swish\"",
                "\"softmax\"",
            ],
        ),
        (
            "count = 4",
            "count = \"four\"",
            &["line 5", "invalid type", "usize"],
        ),
        (
            "name = \"edge\"\n",
            "",
            &["`name` is missing", "name = \"my-model\""],
        ),
        (
            "layout = \"out_in\"",
            "",
            &[
                "expert 0, layer 0 (spec line 7)",
                "`layout` is missing",
                "in_out",
            ],
        ),
        (
            "layout = \"out_in\"",
            "layout = \"rowwise\"",
            &["line 2", "`rowwise`", "`out_in`"],
        ),
        (
            "count = 4\n",
            "",
            &["[experts] (spec line 4)", "`count` is missing"],
        ),
        ("name = \"edge\"", "name = \"edge", &["line 1"]),
        (
            "name = \"y2\"",
            "name = \"y0\"",
            &["two tasks are called `y0`"],
        ),
        (
            "activation = \"relu\" },\n  { weight = \"experts.{expert}.2",
            "activation = \"maxout\" },\n  { weight = \"experts.{expert}.2",
            &["activation `maxout` is not supported", "leaky_relu"],
        ),
        (
            "activation = \"relu\"",
            "activation = \"leaky_relu\"",
            &["`slope` is missing", "0.01"],
        ),
        (
            "activation = \"relu\"",
            "activation = \"relu\", slope = 0.1",
            &["`slope` belongs to leaky_relu, prelu and elu"],
        ),
        (
            "activation = \"relu\"",
            "activation = \"prelu\", slope = 0.1",
            &["a prelu's slope is a tensor"],
        ),
        (
            "activation = \"softmax\"",
            "activation = \"linear\"",
            &["[gates] (spec line 10)", "`kind` is missing", "top_k"],
        ),
        (
            "activation = \"softmax\"",
            "activation = \"tanh\"",
            &["`kind` is missing"],
        ),
        (
            "{ weight = \"towers.{task}.2.weight\", bias = \"towers.{task}.2.bias\" }",
            "{ weight = \"towers.{task}.2.weight\", activation = \"relu\" }",
            &[
                "tower of `y0`, layer 1 (spec line 15)",
                "not that of task `y0`",
            ],
        ),
        (
            "{ weight = \"towers.{task}.2.weight\", bias = \"towers.{task}.2.bias\" }",
            "{ weight = \"towers.{task}.2.weight\", activation = \"sigmoid\" }",
            &[
                "tower of `y2`, layer 1 (spec line 15)",
                "not that of task `y2`",
            ],
        ),
        (
            "activation = \"relu\" },\n  { weight = \"towers.{task}.2",
            "activation = \"softmax\" },\n  { weight = \"towers.{task}.2",
            &["softmax inside an expert or a tower is not supported"],
        ),
        (
            "experts.{expert}.0.weight",
            "experts.{task}.0.weight",
            &[
                "expert 0, layer 0 (spec line 7)",
                "`{task}` has no meaning here",
            ],
        ),
        (
            "gates.{task}.weight",
            "gates.{tsak}.weight",
            &["`{tsak}` is no placeholder", "{task+10}"],
        ),
        (
            "\"gates.{task}.weight\"",
            "[\"a\", \"b\"]",
            &["2 names are listed for 3"],
        ),
        (
            "\"gates.{task}.weight\"",
            "{ nome = \"a\" }",
            &["line 11", "unknown field `nome`"],
        ),
        (
            "\"gates.{task}.weight\"",
            "3",
            &["line 11", "a tensor's name, a list of names, or a table"],
        ),
        (
            "\"gates.{task}.weight\"",
            "{ name = \"a\", index = 1 }",
            &["`index` stands without `axis`"],
        ),
        (
            "\"gates.{task}.weight\"",
            "{ axis = 1 }",
            &["a tensor's table says not one thing"],
        ),
        (
            "[towers]",
            "[[levels]]\nexperts = { count = 1, layers = [] }\n[towers]",
            &["[experts] stands beside [[levels]]"],
        ),
        (
            "[gates] ",
            "[turrets] ",
            &["line 10", "unknown field `turrets`"],
        ),
        (
            "[experts]\ncount = 4",
            "[experts]\ncount = 0",
            &["count = 0"],
        ),
        (
            "[experts]\ncount = 4",
            "[experts]\ncount = 4\nnames = [\"a\"]",
            &["1 names for 4"],
        ),
        (
            "activation = \"linear\"",
            "activation = \"product\"",
            &["task `y2`", "two factors", "of = [\"a\", \"b\"]"],
        ),
        (
            "activation = \"linear\"",
            "activation = \"product\"\nof = [\"y0\", \"y9\"]",
            &["no task `y9` stands before it"],
        ),
        (
            "activation = \"linear\"",
            "activation = \"linear\"\nof = [\"y0\", \"y1\"]",
            &["`of` belongs to a product"],
        ),
        (
            "activation = \"linear\"",
            "activation = \"softmax\"",
            &["task `y2`: a softmax needs width 2 or more, its tower makes 1"],
        ),
    ]);
}

#[test]
fn tensors_are_named_with_what_is_near_or_needed() {
    edge(&[
        (
            "experts.{expert}.0.weight",
            "expert.{expert}.0.weight",
            &[
                "expert 0, layer 0: weight (spec line 7)",
                "no tensor `expert.0.0.weight`",
                "`experts.0.0.weight`",
            ],
        ),
        (
            "count = 4",
            "count = 5",
            &[
                "expert 4, layer 0: weight (spec line 7)",
                "no tensor `experts.4.0.weight`",
                "`experts.3.0.weight`",
            ],
        ),
        (
            "count = 4",
            "count = 3",
            &["gate of `y0`", "4 logits, 3 experts seen need 3", "`sees`"],
        ),
        (
            "experts.{expert}.0.bias",
            "experts.{expert}.2.bias",
            &["tensor `experts.0.2.bias` has shape [32], needed is a vector of 64"],
        ),
        (
            "experts.{expert}.0.bias",
            "experts.{expert}.0.weight",
            &["tensor `experts.0.0.weight` has shape [64, 64], needed is a vector of 64"],
        ),
        (
            "experts.{expert}.0.weight",
            "experts.{expert}.0.bias",
            &[
                "tensor `experts.0.0.bias` has shape [64], needed is a matrix, rank 2",
                "axis = 2",
            ],
        ),
        (
            "layout = \"out_in\"",
            "layout = \"in_out\"",
            &[
                "tensor `experts.0.2.weight` has shape [32, 64], needed is [64, outputs] (layout \
                 in_out)",
                "check `layout`",
            ],
        ),
        (
            "\"gates.{task}.weight\"",
            "{ name = \"gates.{task}.weight\", axis = 2 }",
            &["shape [4, 64], needed is an axis 2 (they count from 0)"],
        ),
        (
            "\"gates.{task}.weight\"",
            "{ name = \"gates.{task}.weight\", axis = 0, index = 4 }",
            &["more than 4 along axis 0"],
        ),
        (
            "[experts]\ncount",
            "[[inputs]]\nname = \"x\"\ncount = 60\n[experts]\ncount",
            &["tensor `experts.0.0.weight` has shape [64, 64], needed is [outputs, 60]"],
        ),
        (
            "[experts]\ncount",
            "[[inputs]]\nname = \"x\"\ncount = 64\nstd = 0\n[experts]\ncount",
            &["input `x`: std must be above 0"],
        ),
        (
            "[experts]\ncount",
            "[[inputs]]\nname = \"x\"\ncount = 64\nmin = 2\nmax = 1\n[experts]\ncount",
            &["input `x`: min is above max"],
        ),
    ]);
}

#[test]
fn gates_levels_and_slices() {
    let gates = "layers = [ { weight = \"gates.{task}.weight\", bias = \"gates.{task}.bias\", \
                 activation = \"softmax\" } ]";
    let with = |keys: &str| format!("{keys}\n{gates}");
    let bare = "layers = [ { weight = \"gates.{task}.weight\" } ]";
    let of = |keys: &str| format!("{keys}\n{bare}");
    let cases: Vec<(String, &[&str])> = vec![
        (
            with("sees = [0, 7]"),
            &[
                "[gates] sees (spec line 11)",
                "there is no expert 7",
                "4 experts",
            ],
        ),
        (
            with("sees = [\"deep\"]"),
            &["there is no expert `deep`", "`expert 0`"],
        ),
        (with("sees = [1, 1]"), &["expert 1 is listed twice"]),
        (
            with("sees = []"),
            &["sees = [] lets the gate see no expert"],
        ),
        (with("sees = [0, 1]"), &["4 logits, 2 experts seen need 2"]),
        (
            with("priors = [-inf, -inf, -inf, -inf]"),
            &["gate of `y0`", "hide every expert"],
        ),
        (
            with("priors = [0.0]"),
            &["`priors` has 1 numbers for 4 experts seen"],
        ),
        (
            with("priors = [nan, 0.0, 0.0, 0.0]"),
            &["a prior is NaN or +∞"],
        ),
        (
            with("priors = [[0.0, 0.0, 0.0, 0.0]]"),
            &["one list per gate (3 gates)"],
        ),
        (with("temperature = 0"), &["temperature = 0", "above 0"]),
        (
            of("kind = \"top_k\"\nk = 0\nrenormalise = true"),
            &["k = 0 with 4 experts seen"],
        ),
        (
            of("kind = \"top_k\"\nk = 5\nrenormalise = true"),
            &["k = 5 with 4 experts seen"],
        ),
        (of("kind = \"top_k\"\nk = 2"), &["`renormalise` is missing"]),
        (
            of("kind = \"hard\"\nk = 2"),
            &["`k` does not belong to this kind of gate"],
        ),
        (
            of("kind = \"loud\""),
            &["gate kind `loud` is not supported", "dselect_k"],
        ),
        (
            with("kind = \"sigmoid\""),
            &["`kind` and the last layer's activation differ"],
        ),
        (
            of("kind = \"dselect_k\"\nk = 1"),
            &["4 logits, 4 experts seen need 3"],
        ),
        (
            of("kind = \"dselect_k\"\nk = 1\ntemperature = 2.0"),
            &["DSelect-k is not supported"],
        ),
        ("kind = \"constant\"".into(), &["`weights` is missing"]),
        ("kind = \"softmax\"".into(), &["`layers` is missing"]),
        (
            with("slice = { start = 60, count = 5 }"),
            &[
                "gate of `y0`",
                "from 60 with 5 elements lies outside the 64",
            ],
        ),
        (
            with("slice = { start = 0, length = 5 }"),
            &["unknown field `length`"],
        ),
        (with("shared = true\ncount = 2"), &["shared and count"]),
        (
            with("reads = 0"),
            &["`reads` names value 0 of the level before, which makes 0"],
        ),
    ];
    let weights = read("pytorch-edge/model.safetensors");
    let mut wrong = Vec::new();
    for (keys, says) in cases {
        let text = error(&weights, &edge_spec().replacen(gates, &keys, 1));
        wrong.extend(
            says.iter()
                .filter(|part| !text.contains(**part))
                .map(|part| format!("{keys}: no `{part}` in: {text}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    edge(&[(
        "[towers]",
        "[towers]\ncount = 2",
        &["there are 2 towers and 3 tasks that need one"],
    )]);
}

#[test]
fn experts_without_gates_and_streams_that_nobody_chose() {
    let w = made(&[
        ("e.0.weight", &[2, 3]),
        ("e.1.weight", &[3, 3]),
        ("g.weight", &[2, 3]),
        ("t.weight", &[1, 2]),
    ]);
    let experts = "[experts]\ncount = 2\nlayers = [ { weight = \"e.{expert}.weight\" } ]\n";
    let rest = "[towers]\nlayers = [ { weight = \"t.weight\" } ]\n[[tasks]]\nname = \
                \"y\"\nactivation = \"linear\"\n";
    let head = "name = \"m\"\nlayout = \"out_in\"\n";
    let text = error(&w, &format!("{head}{experts}{rest}"));
    assert!(
        text.contains("several experts need gates that mix them"),
        "{text}"
    );
    let gates = "[gates]\nkind = \"softmax\"\nlayers = [ { weight = \"g.weight\" } ]\n";
    let text = error(&w, &format!("{head}{experts}{gates}{rest}"));
    assert!(
        text.contains("gate 0 mixes experts of different widths (2 and 3)"),
        "{text}"
    );
    let two = "[[levels]]\nexperts = { count = 1, layers = [ { weight = \"e.0.weight\" } ] \
               }\ngates = { count = 2, kind = \"softmax\", layers = [ { bias = \"one\" } ] \
               }\n[[levels]]\nexperts = { count = 1, layers = [] }\n";
    let text = error(&w, &format!("{head}{two}{rest}"));
    assert!(
        text.contains("expert 0: `reads` is missing: the level before makes 2 values"),
        "{text}"
    );
    let cyclic = format!("{head}[experts]\ncount = 1\nreads = 0\nlayers = []\n{rest}");
    let text = error(&w, &cyclic);
    assert!(
        text.contains("`reads` names value 0 of the level before, which makes 0"),
        "{text}"
    );
    let bias_only =
        format!("{head}[experts]\ncount = 1\nlayers = [ {{ bias = \"e.0.weight\" }} ]\n{rest}");
    let text = error(
        &w,
        &format!("{bias_only}[[inputs]]\nname = \"x\"\ncount = 3\n"),
    );
    assert!(
        text.contains("expert 0, layer 0: `weight` is missing"),
        "{text}"
    );
    let mut infinite = w.clone();
    infinite.tensors["t.weight"].data[1] = f32::INFINITY;
    let one =
        format!("{head}[experts]\ncount = 1\nlayers = [ {{ weight = \"e.0.weight\" }} ]\n{rest}");
    let text = error(&infinite, &one);
    assert!(
        text.contains("layer 0: weight (spec line 7): tensor `t.weight` has inf at element 1"),
        "{text}"
    );
    let norm = one.replace(
        "{ weight = \"e.0.weight\" }",
        "{ weight = \"e.0.weight\", batch_norm = { prefix = \"bn\", epsilon = 1e-3 } }",
    );
    assert!(
        error(&w, &norm).contains("no tensor `bn.weight`"),
        "{}",
        error(&w, &norm)
    );
    let norm = one.replace(
        "{ weight = \"e.0.weight\" }",
        "{ weight = \"e.0.weight\", batch_norm = { prefix = \"bn\" } }",
    );
    assert!(
        error(&w, &norm).contains("`epsilon` is missing: epsilon = 1e-5 (PyTorch's default)"),
        "{}",
        error(&w, &norm)
    );
}

#[test]
fn every_example_of_the_document_is_read() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec.md")).unwrap();
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 9);
    for example in examples {
        let spec = Spec::parse(example).unwrap_or_else(|e| panic!("{e}\n{example}"));
        if !spec.is_partial() {
            // Only a norm's prefix asks the file.
            let file = made(&[
                ("bn_0/gamma", &[1]),
                ("bn_0/moving_mean", &[1]),
                ("bn_0/moving_variance", &[1]),
            ]);
            spec.plan(&file.tensors)
                .unwrap_or_else(|e| panic!("{e}\n{example}"));
        }
    }
}
