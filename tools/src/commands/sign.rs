//! `mmoe sign`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mmoe::{Blob, SelfTestError};
use mmoe_tools::signing::{PrivateKey, PublicKey, hex};

use super::input::read_blob;
use super::output::{Target, note, print};

/// Signs a blob, so that devices which pin the public key install it.
///
/// The signature follows the blob; whoever takes blobs takes signed ones.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The blob to sign.
    #[arg(value_name = "M.mmoe")]
    model: PathBuf,
    /// The private key, a file that `mmoe keygen` wrote.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "SIGNED.mmoe")]
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let inputs: [(&str, &Path); 2] = [("the key", &args.key), ("the blob", &args.model)];
    let target = Target::new(&args.output, inputs)?;
    let file = read_blob(&args.model)?;
    let key =
        PrivateKey::from_pem(&text(&args.key)?).with_context(|| args.key.display().to_string())?;
    let signed = key
        .sign(file.as_slice())
        .with_context(|| args.model.display().to_string())?;
    let blob = Blob::open(file.as_slice())?;
    if blob.self_test().err() == Some(SelfTestError::Missing) {
        note(
            "the blob has no self-test rows, without which a device cannot test it: convert it with \
             --self-test 4",
        );
    }
    target.write(&signed)?;
    print(&format!(
        "{}: {} bytes, model `{}`, version {}, signed with {}\n",
        args.output.display(),
        signed.len(),
        blob.id().name,
        blob.id().version,
        fingerprint(&key.public())
    ))
}

/// How people tell keys apart: the first bytes of the public one, as a trailer has them.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    let bytes = key.bytes();
    format!("key {}", hex(bytes.first_chunk::<8>().unwrap_or(&[0; 8])))
}

/// A key's file. It is short, whatever it is: what is longer is not read.
pub(super) fn text(path: &Path) -> Result<String> {
    use std::io::Read;
    const LONGEST: u64 = 64 * 1024;
    let cannot = || format!("{}: cannot be read", path.display());
    let mut text = String::new();
    fs::File::open(path)
        .with_context(cannot)?
        .take(LONGEST)
        .read_to_string(&mut text)
        .with_context(cannot)?;
    Ok(text)
}
