//! The readers of weights files on broken and made-up files: never a panic, never much memory.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use mmoe_tools::import;
use zip::CompressionMethod;

mod counting;
use counting::{find, read, zipped};
use testkit::Rng;

/// All files under `tests/fixtures` that belong to the readers, by name.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let mut files = Vec::new();
    for folder in [
        "deepctr-torch-mmoe",
        "keras-hub-recsys",
        "keras-hub-recsys/tf_checkpoint",
        "keras-mmoe-census",
        "pytorch-edge",
        "readers",
    ] {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        paths.sort();
        for path in paths {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
            files.push((name, std::fs::read(path).unwrap()));
        }
    }
    files
}

/// Positions in `bytes` that hold no numbers: a mutation among them changes what a reader has to
/// understand.
fn structure(bytes: &[u8]) -> Vec<usize> {
    let mut data = Vec::new();
    if let Ok(weights) = import::read_bytes(bytes.to_vec()) {
        let stored = |t: &import::Tensor| t.data.iter().flat_map(|v| v.to_le_bytes()).collect();
        data.extend(weights.tensors.values().map(stored));
        // An optimizer's numbers, which the reader leaves out, are most of a full Keras file.
        if let Ok(file) = hdf5_pure::File::from_bytes(bytes.to_vec()) {
            datasets(&file.root(), &mut data);
        }
    }
    let mut is_data = vec![false; bytes.len()];
    for data in data.iter().filter(|data| data.len() >= 32) {
        if let Some(at) = find(bytes, data) {
            is_data[at..at + data.len()].fill(true);
        }
    }
    (0..bytes.len()).filter(|&i| !is_data[i]).collect()
}

/// The stored bytes of all datasets of a group and of the groups in it.
fn datasets(group: &hdf5_pure::Group, data: &mut Vec<Vec<u8>>) {
    let own = group.iter_datasets().unwrap();
    data.extend(own.map(|(_, dataset)| dataset.read_raw().unwrap()));
    for (_, group) in group.iter_groups().unwrap() {
        datasets(&group, data);
    }
}

fn mutate(bytes: &mut Vec<u8>, structure: &[usize], random: &mut Rng) {
    for _ in 0..1 + random.below(4) {
        let at = match random.below(8) {
            0 => random.below(bytes.len()),
            _ => structure[random.below(structure.len())],
        };
        if at >= bytes.len() {
            continue;
        }
        match random.below(10) {
            0..4 => bytes[at] ^= 1 << random.below(8),
            4..6 => bytes[at] = random.bits() as u8,
            6 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
            7 => {
                // A size, an address or a count, made absurd.
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill([0xff, 0x7f, 0][random.below(3)]);
            }
            8 => {
                let end = (at + 1 + random.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let from = structure[random.below(structure.len())].min(bytes.len());
                let end = (from + 1 + random.below(16)).min(bytes.len());
                let piece = bytes[from..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    if random.below(50) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
}

/// Mutates the file `n` times.
fn mutations(name: &str, bytes: &[u8], n: usize, seed: u64) {
    let structure = structure(bytes);
    let mut random = Rng::new(7000 + seed);
    let mut failed = 0;
    for i in 0..n {
        let mut mutant = bytes.to_vec();
        mutate(&mut mutant, &structure, &mut random);
        failed += usize::from(read(&format!("mutation {i} of {name}"), mutant).is_err());
    }
    // Else the mutations miss what the reader reads.
    assert!(
        failed * 10 > n,
        "{failed} of {n} mutations of {name} were noticed"
    );
}

#[test]
fn mutated_files() {
    let files = fixtures();
    let each = 16_000usize.div_ceil(files.len());
    let mut total = 0;
    for (seed, (name, bytes)) in files.iter().enumerate() {
        mutations(name, bytes, each, seed as u64);
        total += each;
    }
    assert!(total >= 16_000);
}

/// Zip archives guard their members with checksums, so that mutations never reach what is in them:
/// here the members are mutated and zipped again.
#[test]
fn mutated_members() {
    let archives: Vec<_> = fixtures()
        .into_iter()
        .filter(|(_, bytes)| bytes.starts_with(b"PK"))
        .collect();
    let each = 4_000usize.div_ceil(archives.len());
    for (seed, (name, bytes)) in archives.iter().enumerate() {
        let mut random = Rng::new(1000 + seed as u64);
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let members: Vec<(String, Vec<u8>)> = (0..zip.len())
            .map(|i| {
                let mut member = zip.by_index(i).unwrap();
                let mut content = Vec::new();
                member.read_to_end(&mut content).unwrap();
                (member.name().unwrap().into_owned(), content)
            })
            .collect();
        // What describes the tensors matters more than the tensors do.
        let pickles: Vec<usize> = (0..members.len())
            .filter(|&i| members[i].0.ends_with(".pkl") || members[i].0.ends_with(".h5"))
            .collect();
        for i in 0..each {
            let mut mutant = members.clone();
            let chosen = match (pickles.len(), random.below(4)) {
                (1.., 0..3) => pickles[random.below(pickles.len())],
                _ => random.below(mutant.len()),
            };
            let content = &mut mutant[chosen].1;
            let positions: Vec<usize> = (0..content.len()).collect();
            if !positions.is_empty() {
                mutate(content, &positions, &mut random);
            }
            let what = format!("mutation {i} of {} in {name}", mutant[chosen].0);
            let _ = read(&what, zipped(CompressionMethod::Stored, &mutant));
        }
    }
}

#[test]
fn truncated_files() {
    for (name, bytes) in fixtures() {
        if import::read_bytes(bytes.clone()).is_err() {
            continue;
        }
        let step = (bytes.len() / 100).max(1);
        let lengths = (0..bytes.len().min(64))
            .chain((64..bytes.len()).step_by(step))
            .chain(bytes.len() - 8..bytes.len());
        for len in lengths {
            let what = format!("{name} cut at {len}");
            // Nothing but padding may be missing from a file that still reads.
            if let Ok(cut) = read(&what, bytes[..len].to_vec()) {
                let whole = import::read_bytes(bytes.clone()).unwrap();
                assert_eq!(cut.tensors, whole.tensors, "{what}");
            }
        }
    }
}
