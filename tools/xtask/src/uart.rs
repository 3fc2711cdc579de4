//! The sender of the UART example: many transfers, most of them damaged on the way, and a question
//! after each.

use crate::blobs;
use crate::board::BOARDS;
use crate::shell::workspace;
use anyhow::{Context, Result, bail};
use firmware_models::{Rng, Small, Subject};
use mmoe::I8;
use mmoe::blob::Blob;
use mmoe::zerocopy::IntoBytes;
use mmoe_tools::engine::BlobBytes;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

const TRANSFERS: u32 = 1000;
/// The example's buffer.
const ROOM: usize = 4 * 1024;

/// What happens to a transfer on its way.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    FlippedBit,
    LostFrame,
    DoubledFrame,
    SwappedFrames,
    Cut,
    /// More than the buffer holds, announced.
    Oversized,
    /// More than was announced.
    Overrun,
}

/// So that a third of the transfers arrive.
const FAULTS: [Fault; 10] = [
    Fault::None,
    Fault::None,
    Fault::None,
    Fault::FlippedBit,
    Fault::LostFrame,
    Fault::DoubledFrame,
    Fault::SwappedFrames,
    Fault::Cut,
    Fault::Oversized,
    Fault::Overrun,
];

/// A blob and what the device must answer while it serves.
struct Version {
    blob: BlobBytes,
    answer: Vec<u8>,
}

impl Version {
    fn new(blob: BlobBytes) -> Result<Self> {
        // The example's features.
        let row: [f32; 16] = std::array::from_fn(|i| i as f32 / 16.0);
        let predicted = <Small<I8> as Subject>::load(&blob)?.predict(&row);
        let checksum = Blob::open(&blob)?.id().checksum.to_le_bytes();
        let answer = [&checksum, predicted.as_bytes()].concat();
        Ok(Self { blob, answer })
    }
}

/// `COBS(frame)` and the zero that ends it.
fn encoded(frame: &[u8]) -> Vec<u8> {
    let mut out = cobs::encode_vec(frame);
    out.push(0);
    out
}

/// The bytes of one transfer as they arrive.
fn transfer(blob: &[u8], fault: Fault, rng: &mut Rng) -> Vec<u8> {
    let mut below = |n: usize| rng.next_u32() as usize % n;
    let mut bytes = blob.to_vec();
    match fault {
        Fault::Oversized => bytes.resize(ROOM + 1 + below(2000), 0xa5),
        Fault::Overrun => bytes.resize(blob.len() + 1 + below(500), 0xa5),
        _ => {}
    }
    let announced = if matches!(fault, Fault::Overrun) {
        blob.len()
    } else {
        bytes.len()
    };
    let mut frames = vec![[&[1], &(announced as u32).to_le_bytes()[..]].concat()];
    for (i, part) in bytes.chunks(240).enumerate() {
        frames.push([&[2], &((i * 240) as u32).to_le_bytes()[..], part].concat());
    }
    frames.push(vec![3]);
    // Data frames are 1 ..= data.
    let data = frames.len() - 2;
    match fault {
        Fault::LostFrame => drop(frames.remove(below(frames.len()))),
        Fault::DoubledFrame => {
            let at = 1 + below(data);
            frames.insert(at, frames[at].clone());
        }
        Fault::SwappedFrames => {
            let at = 1 + below(data - 1);
            frames.swap(at, at + 1 + below(data - at));
        }
        _ => {}
    }
    // Whatever was left of the transfer before ends here.
    let mut line = vec![0];
    line.extend(frames.iter().flat_map(|f| encoded(f)));
    match fault {
        Fault::FlippedBit => {
            let at = below(line.len());
            line[at] ^= 1 << below(8);
        }
        // The last byte but one is needed for the end to be understood.
        Fault::Cut => line.truncate(1 + below(line.len() - 2)),
        _ => {}
    }
    line
}

/// Runs the example, 1,000 transfers, and fails where the device ever serves what it should not.
pub(crate) fn run() -> Result<()> {
    let board = BOARDS
        .iter()
        .find(|b| b.name == "m4f")
        .context("no such board")?;
    board.require()?;
    let folder = workspace("examples/firmware/uart");
    let built = Command::new("cargo")
        .current_dir(&folder)
        .args(["build", "--release", "--quiet", "--locked"])
        .status()?;
    if !built.success() {
        bail!("the UART example does not build");
    }
    let versions = blobs::two_versions()?
        .into_iter()
        .map(Version::new)
        .collect::<Result<Vec<_>>>()?;
    let mut device = Command::new("cargo")
        .current_dir(&folder)
        .args(["run", "--release", "--quiet", "--locked"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the UART example")?;
    let result = converse(&mut device, &versions);
    if result.is_err() {
        // It may still wait for bytes.
        let _ = device.kill();
    }
    let status = device.wait()?;
    let summary = result?;
    if !status.success() {
        bail!("the UART example ended with {status}");
    }
    println!("{summary}");
    Ok(())
}

fn converse(device: &mut std::process::Child, versions: &[Version]) -> Result<String> {
    let mut to = device.stdin.take().context("no line to the device")?;
    let mut from = device.stdout.take().context("no line from the device")?;
    let mut rng = Rng::new(1000);
    let mut serving = &versions[0];
    let (mut arrived, mut changed) = (0, 0);
    for n in 0..TRANSFERS {
        let sent = &versions[rng.next_u32() as usize % versions.len()];
        let fault = FAULTS[rng.next_u32() as usize % FAULTS.len()];
        to.write_all(&transfer(&sent.blob, fault, &mut rng))
            .context("the device hung up")?;
        to.write_all(&[&[0], &encoded(&[4])[..]].concat())?;
        to.flush()?;
        if matches!(fault, Fault::None) {
            arrived += 1;
            changed += usize::from(sent.answer != serving.answer);
            serving = sent;
        }
        let mut answer = vec![0; serving.answer.len()];
        from.read_exact(&mut answer)
            .context("the device does not answer")?;
        if answer != serving.answer {
            bail!(
                "transfer {n} ({fault:?}): the device answers {answer:02x?}, not {:02x?}",
                serving.answer
            );
        }
    }
    to.write_all(&encoded(&[5]))?;
    to.flush()?;
    Ok(format!(
        "uart: {TRANSFERS} transfers, {arrived} undamaged and served from then on ({changed} \
         changed the model), {} damaged and refused; every answer was the right model's, bit for \
         bit",
        TRANSFERS - arrived
    ))
}
