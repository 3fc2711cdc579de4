//! `mmoe keygen`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mmoe_tools::signing::{PrivateKey, hex};

use super::output::{Target, print};

/// Makes a pair of keys for models that devices install by `mmoe-store`.
///
/// The private key signs (`mmoe sign`): whoever has it can put models on every device that pins the
/// public key. The file can be read by you alone and is not encrypted; keep it as you keep the key
/// that signs firmware. Both are PEM files, as `openssl genpkey -algorithm ed25519` makes them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file of the private key. A file that is there stays as it is.
    #[arg(short, long, value_name = "KEY")]
    output: PathBuf,
    /// The file of the public key. [default: KEY with the extension .pub]
    #[arg(long, value_name = "KEY.pub")]
    public: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<()> {
    let public = args
        .public
        .clone()
        .unwrap_or_else(|| args.output.with_extension("pub"));
    if public == args.output {
        bail!(
            "{}: would hold both keys; name another file for the public one with --public",
            public.display()
        );
    }
    for path in [&args.output, &public] {
        // A key that is lost is lost for every device in the field.
        if path.symlink_metadata().is_ok() {
            bail!(
                "{}: is there already, and a key is never written over; name another file",
                path.display()
            );
        }
    }
    let no_inputs = || std::iter::empty::<(&'static str, &Path)>();
    let private_file = Target::new(&args.output, no_inputs())?;
    let public_file = Target::new(&public, no_inputs())?;
    let key = PrivateKey::generate()?;
    private_file.write_secret(key.to_pem()?.as_ref().as_bytes())?;
    public_file
        .write(key.public().to_pem()?.as_bytes())
        .with_context(|| format!("{} was written", args.output.display()))?;
    print(&format!(
        "{}: private key, for `mmoe sign`; nobody else may have it\n{}: public key, for `mmoe verify \
         --key`\n\nThe device's policy has these bytes:\n\n{}",
        args.output.display(),
        public.display(),
        source(&key.public().bytes())
    ))
}

/// A key as a line of Rust.
fn source(key: &[u8; 32]) -> String {
    let rows: Vec<String> = key
        .chunks(16)
        .map(|row| {
            let bytes: Vec<String> = row.iter().map(|b| format!("0x{}", hex(&[*b]))).collect();
            format!("    {},\n", bytes.join(", "))
        })
        .collect();
    format!("const KEY: [u8; 32] = [\n{}];\n", rows.concat())
}
