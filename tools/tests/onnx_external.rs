//! ONNX models whose weights stand in a file beside them: what they take in memory.

mod counting;

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use counting::peak;
use mmoe_tools::import;

fn varint(mut v: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while v > 0x7f {
        bytes.push(v as u8 | 0x80);
        v >>= 7;
    }
    bytes.push(v as u8);
    bytes
}

/// One field of a protobuf message.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    [
        vec![tag << 3 | 2],
        varint(content.len() as u64),
        content.to_vec(),
    ]
    .concat()
}

fn number(tag: u8, v: u64) -> Vec<u8> {
    [vec![tag << 3], varint(v)].concat()
}

/// A model of these tensors: name, elements, offset and length in `w.bin`.
fn model(tensors: &[(&str, usize, u64, u64)]) -> Vec<u8> {
    let mut graph = Vec::new();
    for (name, count, offset, length) in tensors {
        let entry = |key: &str, value: &str| {
            let entry = [field(1, key.as_bytes()), field(2, value.as_bytes())].concat();
            field(13, &entry)
        };
        let tensor = [
            number(1, *count as u64),
            number(2, 1),
            field(8, name.as_bytes()),
            entry("location", "w.bin"),
            entry("offset", &offset.to_string()),
            entry("length", &length.to_string()),
            number(14, 1),
        ];
        graph.extend(field(5, &tensor.concat()));
        graph.extend(field(12, &field(1, name.as_bytes())));
    }
    [number(1, 8), field(7, &graph), field(8, &number(2, 17))].concat()
}

#[test]
fn weights_beside_a_model_are_held_once() {
    const BYTES: u64 = 100 << 20;
    let place = tempfile::tempdir().unwrap();
    let mut weights = File::create(place.path().join("w.bin")).unwrap();
    // The first is all but the last number, so that it is no multiple of any block.
    weights.set_len(BYTES).unwrap();
    weights.seek(SeekFrom::Start(BYTES - 8)).unwrap();
    weights.write_all(&1.5f32.to_le_bytes()).unwrap();
    weights.write_all(&2.5f32.to_le_bytes()).unwrap();
    let count = (BYTES / 4) as usize - 1;
    let path = place.path().join("m.onnx");
    let tensors = [("w", count, 0, BYTES - 4), ("b", 1, BYTES - 4, 4)];
    std::fs::write(&path, model(&tensors)).unwrap();
    let (read, peak) = peak(|| import::read(&path));
    let program = read.unwrap().program.unwrap();
    let known: Vec<_> = program.constants.iter().flatten().collect();
    assert_eq!(known[0].data.len(), count);
    assert_eq!(known[0].data[count - 1], 1.5);
    assert_eq!(known[1].data, [2.5]);
    assert!(peak < 3 * BYTES as usize, "{peak} bytes");
}

#[test]
fn what_lies_outside_the_file_is_refused() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("w.bin"), [0; 64]).unwrap();
    let path = place.path().join("m.onnx");
    for (tensor, says) in [
        (("w", 4, 60, 16), "lies outside `w.bin`"),
        (("w", 4, u64::MAX - 3, 16), "lies outside `w.bin`"),
        (("w", 3, 0, 16), "has shape [3] and 4 elements"),
        (("w", 1 << 40, 0, 64), "would take"),
    ] {
        std::fs::write(&path, model(&[tensor])).unwrap();
        let (read, peak) = peak(|| import::read(&path));
        let why = read.unwrap_err().to_string();
        assert!(why.contains(says), "{why}");
        assert!(peak < 1 << 20, "{peak}");
    }
}
