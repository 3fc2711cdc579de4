//! The blobs of the test firmware, and what the host computes with them.

use crate::seeded;
use crate::shell::workspace;
use anyhow::{Context, Result, bail, ensure};
use firmware_models::{
    Autoencoder, Census, CensusCodes, Curved, Deep, DeepOf, Edge, Hard8, Recsys, RecsysOf,
    RecsysWide, Select8, Small, Subject, Top8, make as golden, raw,
};
use mmoe::precision::{Pairs, Quad};
use mmoe::{F32, I8, W8};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::{Rows, Samples};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{GateKind, Graph, Layer, Op};
use mmoe_tools::import;
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use std::fs;

/// The folder of the firmware's blobs and `.golden` files, in the workspace.
pub(crate) const FOLDER: &str = "tests/firmware/models/blobs";

/// A blob or a `.golden` file of `tests/firmware/models/blobs`, by name.
pub(crate) type Made = (String, Vec<u8>);

/// Writes all of them.
pub(crate) fn make() -> Result<()> {
    let folder = workspace(FOLDER);
    for (name, bytes) in committed()?.into_iter().chain(measured()?) {
        let path = folder.join(&name);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Those that the repository keeps.
pub(crate) fn committed() -> Result<Vec<Made>> {
    let edge = imported("edge", "pytorch-edge/model.safetensors", "pytorch-edge")?;
    let recsys = imported(
        "recsys",
        "keras-hub-recsys/weights_by_name.npz",
        "keras-hub-recsys",
    )?;
    let [small, _] = two_versions()?;
    let curved = seeded::curved();
    Ok([
        vec![records("shop", raw::shop)?, records("feed", raw::feed)?],
        pair::<Small<I8>>("small.i8", small)?,
        floats::<Curved<F32>, Curved<W8>>(&curved)?,
        pair::<Curved<I8>>(
            "curved.i8",
            tested(
                &curved,
                Conversion {
                    max_loss: Some(1.0),
                    ..Conversion::new(Precision::I8)
                },
            )?,
        )?,
        floats::<Edge<F32>, Edge<W8>>(&edge.0)?,
        integers::<Edge<I8>, Edge<I8<Quad>>, Edge<I8<Pairs>>>(&edge.0, Some(&edge.1))?,
        floats::<Recsys<F32>, Recsys<W8>>(&recsys.0)?,
        integers::<Recsys<I8>, Recsys<I8<Quad>>, Recsys<I8<Pairs>>>(&recsys.0, Some(&recsys.1))?,
    ]
    .concat())
}

/// Those that only measuring needs: the shapes are those of well-known models, the weights are
/// seeded.
fn measured() -> Result<Vec<Made>> {
    let small = seeded::small();
    let mut all = floats::<Small<F32>, Small<W8>>(&small)?;
    // The committed blob is the one in panels.
    all.extend(
        integers::<Small<I8>, Small<I8<Quad>>, Small<I8<Pairs>>>(&small, None)?.split_off(2),
    );
    let census = seeded::census();
    all.extend(floats::<Census<F32>, Census<W8>>(&census)?);
    all.extend(integers::<Census<I8>, Census<I8<Quad>>, Census<I8<Pairs>>>(
        &census, None,
    )?);
    let codes = seeded::census_codes();
    all.extend(floats::<CensusCodes<F32>, CensusCodes<W8>>(&codes)?);
    all.extend(integers::<
        CensusCodes<I8>,
        CensusCodes<I8<Quad>>,
        CensusCodes<I8<Pairs>>,
    >(&codes, None)?);
    let autoencoder = seeded::autoencoder();
    all.extend(floats::<Autoencoder<F32>, Autoencoder<W8>>(&autoencoder)?);
    all.extend(integers::<
        Autoencoder<I8>,
        Autoencoder<I8<Quad>>,
        Autoencoder<I8<Pairs>>,
    >(&autoencoder, None)?);
    let deep = seeded::deep("deep", GateKind::Softmax);
    all.extend(floats::<Deep<F32>, Deep<W8>>(&deep)?);
    all.extend(integers::<Deep<I8>, Deep<I8<Quad>>, Deep<I8<Pairs>>>(
        &deep, None,
    )?);

    let (hard, top, select) = (
        GateKind::Hard,
        GateKind::TopK {
            k: 2,
            renormalise: true,
        },
        GateKind::DSelectK { k: 2 },
    );
    all.extend(narrow::<RecsysOf<Hard8<I8>, I8>>(
        &seeded::recsys("recsys-hard", hard),
        &[],
    )?);
    all.extend(narrow::<RecsysOf<Top8<I8>, I8>>(
        &seeded::recsys("recsys-top", top),
        &[],
    )?);
    all.extend(narrow::<RecsysOf<Select8<I8>, I8>>(
        &seeded::recsys("recsys-select", select),
        &[],
    )?);
    all.extend(narrow::<DeepOf<Hard8<I8>, I8>>(
        &seeded::deep("deep-hard", hard),
        &[],
    )?);
    all.extend(narrow::<DeepOf<Top8<I8>, I8>>(
        &seeded::deep("deep-top", top),
        &[],
    )?);
    all.extend(narrow::<DeepOf<Select8<I8>, I8>>(
        &seeded::deep("deep-select", select),
        &[],
    )?);
    let experts: Vec<String> = (0..8).map(|e| format!("expert{e}")).collect();
    all.extend(narrow::<RecsysWide>(
        &seeded::recsys("recsys-wide", GateKind::Softmax),
        &experts,
    )?);
    Ok(all)
}

/// An integer blob in panels, with these layers wide and no others but the heads.
fn narrow<M: Subject>(graph: &Graph, wide: &[String]) -> Result<Vec<Made>> {
    let conversion = Conversion {
        keep_wide: wide.to_vec(),
        ..narrow_i8(None)
    };
    pair::<M>(
        &format!("{}.i8", graph.name),
        conversion.run(graph)?.bytes(),
    )
}

/// int8 rows in every layer but the heads, so that the types above fit.
fn narrow_i8(calibration: Option<&Rows>) -> Conversion {
    Conversion {
        max_loss: Some(1.0),
        calibration: calibration.cloned().map(Samples::from),
        ..Conversion::new(Precision::I8)
    }
}

/// Two blobs of the type `Small<I8>` that differ in what they answer: the committed one first.
pub(crate) fn two_versions() -> Result<[BlobBytes; 2]> {
    let mut graph = seeded::small();
    let blob = |graph: &Graph| -> Result<BlobBytes> { Ok(narrow_i8(None).run(graph)?.bytes()) };
    let first = blob(&graph)?;
    for node in graph.nodes.iter_mut().filter(|n| n.op == Op::Tower) {
        if let Some(Layer::Dense(d)) = node.layers.last_mut() {
            d.bias.iter_mut().for_each(|b| *b += 0.5);
        }
    }
    graph.version = 1;
    Ok([first, blob(&graph)?])
}

/// A trained model of the fixtures, and the framework's golden rows.
fn imported(name: &str, weights: &str, folder: &str) -> Result<(Graph, Rows)> {
    let fixture = |path: &str| workspace("tests/fixtures").join(path);
    let text = fs::read_to_string(fixture(folder).join("spec.toml"))
        .with_context(|| format!("reading the spec of {folder}"))?;
    let mut graph = build(
        import::read(&fixture(weights))?,
        Some(&Spec::parse(&text)?),
        Options::default(),
    )?
    .graph;
    graph.name = name.into();
    let golden = import::read(&fixture(folder).join("golden.npz"))?;
    let x = golden.tensors.get("x").context("golden.npz has no x")?;
    let rows = Rows {
        data: x.data.clone(),
        width: graph.width(0),
    };
    Ok((graph, rows))
}

fn floats<F: Subject, W: Subject>(graph: &Graph) -> Result<Vec<Made>> {
    let name = &graph.name;
    Ok([
        pair::<F>(
            &format!("{name}.f32"),
            tested(graph, Precision::F32.into())?,
        )?,
        pair::<W>(&format!("{name}.w8"), tested(graph, Precision::W8.into())?)?,
    ]
    .concat())
}

/// Narrow integers in every packing.
fn integers<P: Subject, Q: Subject, R: Subject>(
    graph: &Graph,
    rows: Option<&Rows>,
) -> Result<Vec<Made>> {
    let blob = |packing| {
        let conversion = Conversion {
            packing,
            ..narrow_i8(rows)
        };
        tested(graph, conversion)
    };
    let name = &graph.name;
    let mut made = pair::<P>(&format!("{name}.i8"), blob(Packing::Panels)?)?;
    for other in [
        pair::<Q>(&format!("{name}.i8-quad"), blob(Packing::Quad)?)?,
        pair::<R>(&format!("{name}.i8-pairs"), blob(Packing::Pairs)?)?,
    ] {
        if let ([_, (_, a), ..], [_, (_, b)]) = (made.as_slice(), other.as_slice())
            && a != b
        {
            bail!("{name}: the packings differ in their results");
        }
        made.extend(other);
    }
    Ok(made)
}

/// The blob with four self-test rows.
fn tested(graph: &Graph, conversion: Conversion) -> Result<BlobBytes> {
    let conversion = Conversion {
        self_test: Some(4),
        ..conversion
    };
    let blob = conversion.run(graph);
    Ok(blob.with_context(|| graph.name.clone())?.bytes())
}

/// A blob and its `.golden`.
fn pair<M: Subject>(name: &str, blob: BlobBytes) -> Result<Vec<Made>> {
    let model = M::load(&blob).with_context(|| format!("loading {name}"))?;
    let mut words = Vec::new();
    golden(model, &mut |word| words.extend(word.to_le_bytes()));
    Ok(vec![
        (format!("{name}.mmoe"), blob.to_vec()),
        (format!("{name}.golden"), words),
    ])
}

/// The `.golden` of a model that takes records: digests of 100 and of 1,000 of them.
fn records(name: &str, model: fn(u32, &mut [u32; raw::SCRATCH]) -> raw::Digests) -> Result<Made> {
    let mut bytes = Vec::new();
    for rows in [100, 1000] {
        let [typed, erased] = model(rows, &mut [0; raw::SCRATCH])
            .with_context(|| format!("{name} refuses a record"))?;
        ensure!(typed == erased, "{name}: typed and erased differ");
        bytes.extend(typed.0.to_le_bytes());
    }
    Ok((format!("{name}.golden"), bytes))
}
