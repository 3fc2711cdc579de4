//! The blobs of the firmware examples, and what the host computes with them.

use crate::seeded;
use anyhow::{Context, Result, bail};
use firmware_models::{Autoencoder, Census, Edge, Recsys, Small, Subject, make as golden};
use mmoe::zerocopy::IntoBytes;
use mmoe::{F32, I8, Quad, W8};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::file;
use mmoe_tools::graph::{Graph, Layer, Op};
use mmoe_tools::model::{Options, build};
use mmoe_tools::quantize::{self, Calibration, source};
use mmoe_tools::spec::Spec;
use mmoe_tools::{import, pack};
use std::fs;
use std::path::{Path, PathBuf};

/// Where a file of the workspace is.
pub(crate) fn workspace(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A blob or a `.golden` file of `examples/firmware/models/blobs`, by name.
pub(crate) type Made = (String, Vec<u8>);

/// Writes all of them.
pub(crate) fn make() -> Result<()> {
    let folder = workspace("examples/firmware/models/blobs");
    for (name, bytes) in committed()?.into_iter().chain(measured()?) {
        let path = folder.join(&name);
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Those that the repository keeps.
pub(crate) fn committed() -> Result<Vec<Made>> {
    let edge = imported("edge", "pytorch-edge/model.safetensors", "pytorch-edge")?;
    let recsys = imported("recsys", "keras-hub-recsys/weights_by_name.npz", "keras-hub-recsys")?;
    let [small, _] = two_versions()?;
    Ok([
        pair::<Small<I8>>("small.i8", &small)?,
        floats::<Edge<F32>, Edge<W8>>(&edge.0)?,
        integers::<Edge<I8>, Edge<I8<Quad>>>(&edge.0, &edge.1)?,
        floats::<Recsys<F32>, Recsys<W8>>(&recsys.0)?,
        integers::<Recsys<I8>, Recsys<I8<Quad>>>(&recsys.0, &recsys.1)?,
    ]
    .concat())
}

/// Those that only measuring needs: the shapes are those of well-known models, the weights are seeded.
fn measured() -> Result<Vec<Made>> {
    let (census, autoencoder) = (seeded::census(), seeded::autoencoder());
    let ranges = |graph: &Graph| source(graph, None);
    Ok([
        floats::<Census<F32>, Census<W8>>(&census)?,
        integers::<Census<I8>, Census<I8<Quad>>>(&census, &ranges(&census)?)?,
        floats::<Autoencoder<F32>, Autoencoder<W8>>(&autoencoder)?,
        integers::<Autoencoder<I8>, Autoencoder<I8<Quad>>>(&autoencoder, &ranges(&autoencoder)?)?,
    ]
    .concat())
}

/// Two blobs of the type `Small<I8>` that differ in what they answer: the committed one first.
pub(crate) fn two_versions() -> Result<[Vec<u8>; 2]> {
    let mut graph = seeded::small();
    let calibration = source(&graph, None)?;
    let blob = |graph: &Graph| -> Result<Vec<u8>> {
        let options = quantize::Options { max_loss: Some(1.0), ..quantize::Options::default() };
        let (header, weights) = pack::integer(graph, &quantize::quantize(graph, &calibration, &options)?, Packing::Panels);
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
    let text = fs::read_to_string(fixture(folder).join("spec.toml")).with_context(|| format!("reading the spec of {folder}"))?;
    let mut graph = build(import::read(&fixture(weights))?, Some(&Spec::parse(&text)?), Options::default())?.graph;
    graph.name = name.into();
    let golden = import::read(&fixture(folder).join("golden.npz"))?;
    let x = golden.tensors.get("x").context("golden.npz has no x")?;
    let calibration = source(&graph, Some((&x.data, graph.width(0))))?;
    Ok((graph, calibration))
}

fn floats<F: Subject, W: Subject>(graph: &Graph) -> Result<Vec<Made>> {
    let (f32s, w8) = (pack::float(graph, pack::Float::F32), pack::float(graph, pack::Float::W8 { narrow_heads: false }));
    let name = &graph.name;
    Ok([pair::<F>(&format!("{name}.f32"), &file::write(&f32s.0, &f32s.1))?, pair::<W>(&format!("{name}.w8"), &file::write(&w8.0, &w8.1))?]
        .concat())
}

/// int8 rows in every layer but the heads, so that the types above fit; in both packings.
fn integers<P: Subject, Q: Subject>(graph: &Graph, calibration: &Calibration) -> Result<Vec<Made>> {
    let options = quantize::Options { max_loss: Some(1.0), ..quantize::Options::default() };
    let quantized = quantize::quantize(graph, calibration, &options)?;
    let (panels, quad) = (pack::integer(graph, &quantized, Packing::Panels), pack::integer(graph, &quantized, Packing::Quad));
    let name = &graph.name;
    let mut made = pair::<P>(&format!("{name}.i8"), &file::write(&panels.0, &panels.1))?;
    let other = pair::<Q>(&format!("{name}.i8-quad"), &file::write(&quad.0, &quad.1))?;
    if let ([_, (_, a)], [_, (_, b)]) = (made.as_slice(), other.as_slice())
        && a != b
    {
        bail!("{name}: the packings differ in their results");
    }
    made.extend(other);
    Ok(made)
}

/// A blob and its `.golden`.
fn pair<M: Subject>(name: &str, blob: &[u8]) -> Result<Vec<Made>> {
    let mut aligned = vec![0u32; blob.len().div_ceil(4)];
    let bytes = &mut aligned.as_mut_bytes()[..blob.len()];
    bytes.copy_from_slice(blob);
    let model = M::load(bytes).with_context(|| format!("loading {name}"))?;
    let mut words = Vec::new();
    golden(model, &mut |word| words.extend(word.to_le_bytes()));
    Ok(vec![(format!("{name}.mmoe"), blob.to_vec()), (format!("{name}.golden"), words)])
}
