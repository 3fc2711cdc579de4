//! The blobs of the firmware examples, and what the host computes with them.

use crate::seeded;
use anyhow::{Context, Result};
use firmware_models::{Autoencoder, Census, Edge, Recsys, Subject, make as golden};
use mmoe::zerocopy::IntoBytes;
use mmoe::{F32, W8};
use mmoe_tools::blob::file;
use mmoe_tools::graph::Graph;
use mmoe_tools::model::{Options, build};
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
    let edge = imported("edge", "pytorch-edge/model.safetensors", "pytorch-edge/spec.toml")?;
    let recsys = imported("recsys", "keras-hub-recsys/weights_by_name.npz", "keras-hub-recsys/spec.toml")?;
    Ok([floats::<Edge<F32>, Edge<W8>>("edge", &edge)?, floats::<Recsys<F32>, Recsys<W8>>("recsys", &recsys)?].concat())
}

/// Those that only measuring needs: the shapes are those of well-known models, the weights are seeded.
fn measured() -> Result<Vec<Made>> {
    let (census, autoencoder) = (seeded::census(), seeded::autoencoder());
    Ok([
        floats::<Census<F32>, Census<W8>>("census", &census)?,
        floats::<Autoencoder<F32>, Autoencoder<W8>>("autoencoder", &autoencoder)?,
    ]
    .concat())
}

fn imported(name: &str, weights: &str, spec: &str) -> Result<Graph> {
    let fixture = |path: &str| workspace("tests/fixtures").join(path);
    let text = fs::read_to_string(fixture(spec)).with_context(|| format!("reading {spec}"))?;
    let spec = Spec::parse(&text).with_context(|| format!("reading {spec}"))?;
    let weights = import::read(&fixture(weights))?;
    let mut graph = build(weights, Some(&spec), Options::default())?.graph;
    graph.name = name.into();
    Ok(graph)
}

fn floats<F: Subject, W: Subject>(name: &str, graph: &Graph) -> Result<Vec<Made>> {
    let (f32s, w8) = (pack::float(graph, pack::Float::F32), pack::float(graph, pack::Float::W8 { narrow_heads: false }));
    Ok([pair::<F>(&format!("{name}.f32"), &file::write(&f32s.0, &f32s.1))?, pair::<W>(&format!("{name}.w8"), &file::write(&w8.0, &w8.1))?]
        .concat())
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
