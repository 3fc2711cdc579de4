//! The blobs of the test firmware, and what the host computes with them.

use crate::seeded;
use anyhow::{Context, Result, bail};
use firmware_models::{
    Autoencoder, Census, Deep, DeepOf, Edge, Hard8, Recsys, RecsysOf, RecsysWide, Select8, Small,
    Subject, Top8, make as golden,
};
use mmoe::zerocopy::IntoBytes;
use mmoe::{F32, I8, Pairs, Quad, W8};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::file;
use mmoe_tools::blob::message::Header;
use mmoe_tools::graph::{GateKind, Graph, Layer, Op};
use mmoe_tools::model::{Options, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::quantize::{self, Calibration, source};
use mmoe_tools::{import, pack, self_test};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a file of the workspace is.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// A blob or a `.golden` file of `tests/firmware/models/blobs`, by name.
pub(crate) type Made = (String, Vec<u8>);

/// Writes all of them.
pub(crate) fn make() -> Result<()> {
    let folder = workspace("tests/firmware/models/blobs");
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
    Ok([
        pair::<Small<I8>>("small.i8", &small)?,
        floats::<Edge<F32>, Edge<W8>>(&edge.0)?,
        integers::<Edge<I8>, Edge<I8<Quad>>, Edge<I8<Pairs>>>(&edge.0, &edge.1)?,
        floats::<Recsys<F32>, Recsys<W8>>(&recsys.0)?,
        integers::<Recsys<I8>, Recsys<I8<Quad>>, Recsys<I8<Pairs>>>(&recsys.0, &recsys.1)?,
    ]
    .concat())
}

/// Those that only measuring needs: the shapes are those of well-known models, the weights are
/// seeded.
fn measured() -> Result<Vec<Made>> {
    let ranges = |graph: &Graph| source(graph, None);
    let small = seeded::small();
    let mut all = floats::<Small<F32>, Small<W8>>(&small)?;
    // The committed blob is the one in panels.
    all.extend(
        integers::<Small<I8>, Small<I8<Quad>>, Small<I8<Pairs>>>(&small, &ranges(&small)?)?
            .split_off(2),
    );
    let census = seeded::census();
    all.extend(floats::<Census<F32>, Census<W8>>(&census)?);
    all.extend(integers::<Census<I8>, Census<I8<Quad>>, Census<I8<Pairs>>>(
        &census,
        &ranges(&census)?,
    )?);
    let autoencoder = seeded::autoencoder();
    all.extend(floats::<Autoencoder<F32>, Autoencoder<W8>>(&autoencoder)?);
    all.extend(integers::<
        Autoencoder<I8>,
        Autoencoder<I8<Quad>>,
        Autoencoder<I8<Pairs>>,
    >(&autoencoder, &ranges(&autoencoder)?)?);
    let deep = seeded::deep("deep", GateKind::Softmax);
    all.extend(floats::<Deep<F32>, Deep<W8>>(&deep)?);
    all.extend(integers::<Deep<I8>, Deep<I8<Quad>>, Deep<I8<Pairs>>>(
        &deep,
        &ranges(&deep)?,
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
    let options = quantize::Options {
        max_loss: Some(1.0),
        keep_wide: wide.to_vec(),
        ..quantize::Options::default()
    };
    let (header, weights) = pack::integer(
        graph,
        &quantize::quantize(graph, &source(graph, None)?, &options)?,
        Packing::Panels,
    );
    pair::<M>(
        &format!("{}.i8", graph.name),
        &file::write(&header, &weights),
    )
}

/// Two blobs of the type `Small<I8>` that differ in what they answer: the committed one first.
pub(crate) fn two_versions() -> Result<[Vec<u8>; 2]> {
    let mut graph = seeded::small();
    let calibration = source(&graph, None)?;
    let blob = |graph: &Graph| -> Result<Vec<u8>> {
        let options = quantize::Options {
            max_loss: Some(1.0),
            ..quantize::Options::default()
        };
        let (header, weights) = pack::integer(
            graph,
            &quantize::quantize(graph, &calibration, &options)?,
            Packing::Panels,
        );
        Ok(file::write(&header, &weights))
    };
    let first = blob(&graph)?;
    for node in graph.nodes.iter_mut().filter(|n| n.op == Op::Tower) {
        if let Some(Layer::Dense(d)) = node.layers.last_mut() {
            d.bias.iter_mut().for_each(|b| *b += 0.5);
        }
    }
    graph.version = 1;
    Ok([first, blob(&graph)?])
}

/// A trained model of the fixtures, and the ranges of its values on the framework's golden rows.
fn imported(name: &str, weights: &str, folder: &str) -> Result<(Graph, Calibration)> {
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
    let calibration = source(&graph, Some((&x.data, graph.width(0))))?;
    Ok((graph, calibration))
}

fn floats<F: Subject, W: Subject>(graph: &Graph) -> Result<Vec<Made>> {
    let name = &graph.name;
    let f32s = tested(graph, pack::float(graph, pack::Float::F32))?;
    let w8 = tested(
        graph,
        pack::float(
            graph,
            pack::Float::W8 {
                narrow_heads: false,
            },
        ),
    )?;
    Ok([
        pair::<F>(&format!("{name}.f32"), &f32s)?,
        pair::<W>(&format!("{name}.w8"), &w8)?,
    ]
    .concat())
}

/// int8 rows in every layer but the heads, so that the types above fit; in every packing.
fn integers<P: Subject, Q: Subject, R: Subject>(
    graph: &Graph,
    calibration: &Calibration,
) -> Result<Vec<Made>> {
    let options = quantize::Options {
        max_loss: Some(1.0),
        ..quantize::Options::default()
    };
    let quantized = quantize::quantize(graph, calibration, &options)?;
    let blob = |packing| tested(graph, pack::integer(graph, &quantized, packing));
    let name = &graph.name;
    let mut made = pair::<P>(&format!("{name}.i8"), &blob(Packing::Panels)?)?;
    for other in [
        pair::<Q>(&format!("{name}.i8-quad"), &blob(Packing::Quad)?)?,
        pair::<R>(&format!("{name}.i8-pairs"), &blob(Packing::Pairs)?)?,
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
fn tested(graph: &Graph, (mut header, weights): (Header, Vec<u8>)) -> Result<Vec<u8>> {
    self_test::add(graph, &graph.inputs, &mut header, &weights, 4)
        .with_context(|| format!("self-test rows of {}", graph.name))?;
    Ok(file::write(&header, &weights))
}

/// A blob and its `.golden`.
fn pair<M: Subject>(name: &str, blob: &[u8]) -> Result<Vec<Made>> {
    let mut aligned = vec![0u32; blob.len().div_ceil(4)];
    let bytes = &mut aligned.as_mut_bytes()[..blob.len()];
    bytes.copy_from_slice(blob);
    let model = M::load(bytes).with_context(|| format!("loading {name}"))?;
    let mut words = Vec::new();
    golden(model, &mut |word| words.extend(word.to_le_bytes()));
    Ok(vec![
        (format!("{name}.mmoe"), blob.to_vec()),
        (format!("{name}.golden"), words),
    ])
}
