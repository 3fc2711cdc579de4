//! The numbers that functions return, and what they mean in words.

/// What a call returns: `MMOE_OK`, or one of the codes below. They never change their meaning.
pub type Status = u32;

/// All is well.
pub const MMOE_OK: Status = 0;
/// The blob is shorter than it says.
pub const MMOE_E_TRUNCATED: Status = 0x10;
/// The bytes are no blob.
pub const MMOE_E_MAGIC: Status = 0x11;
/// A blob of another format version.
pub const MMOE_E_VERSION: Status = 0x12;
/// The blob is damaged.
pub const MMOE_E_CHECKSUM: Status = 0x13;
/// The checksum holds and the header does not parse.
pub const MMOE_E_HEADER: Status = 0x20;
/// A section is needed that this library does not know.
pub const MMOE_E_SECTION: Status = 0x21;
/// A record of the blob breaks a rule of the format.
pub const MMOE_E_RECORD: Status = 0x22;
/// The blob lies at a wrong address.
pub const MMOE_E_BLOB_ALIGNMENT: Status = 0x23;
/// The weights have another length than the layers need.
pub const MMOE_E_WEIGHTS: Status = 0x24;
/// A typed model: another number of inputs.
pub const MMOE_E_TYPE_INPUTS: Status = 0x30;
/// A typed model: another number of experts, gates and towers.
pub const MMOE_E_TYPE_NODES: Status = 0x31;
/// A typed model: an expert, a gate or a tower that does something else.
pub const MMOE_E_TYPE_WIRING: Status = 0x32;
/// A typed model: a layer of another shape or precision.
pub const MMOE_E_TYPE_LAYER: Status = 0x33;
/// A typed model: weights in another packing.
pub const MMOE_E_TYPE_PACKING: Status = 0x34;
/// A typed model: a task of another kind.
pub const MMOE_E_TYPE_TASK: Status = 0x35;
/// A typed model: another number of tasks.
pub const MMOE_E_TYPE_TASKS: Status = 0x36;
/// A typed model: a feature of another kind.
pub const MMOE_E_TYPE_FEATURE: Status = 0x37;
/// A typed model: another number of features.
pub const MMOE_E_TYPE_FEATURES: Status = 0x38;
/// The blob has no self-test rows.
pub const MMOE_E_SELF_TEST_MISSING: Status = 0x40;
/// The self-test rows are not those of this model.
pub const MMOE_E_SELF_TEST_SECTION: Status = 0x41;
/// A self-test row gave other bits: do not use this device's predictions.
pub const MMOE_E_SELF_TEST_ROW: Status = 0x42;
/// Too little scratch for the self-test.
pub const MMOE_E_SELF_TEST_SCRATCH: Status = 0x43;
/// Not as many features as the model takes.
pub const MMOE_E_INPUTS: Status = 0x50;
/// Too little room for the outputs.
pub const MMOE_E_OUTPUTS: Status = 0x51;
/// Too little scratch.
pub const MMOE_E_SCRATCH: Status = 0x52;
/// There is no such gate or expert.
pub const MMOE_E_NODE: Status = 0x53;
/// Floats where the model takes integers, or the other way round.
pub const MMOE_E_ELEMENT: Status = 0x54;
/// A field of another kind than the model takes.
pub const MMOE_E_VALUE: Status = 0x55;
/// A record of another number of fields.
pub const MMOE_E_FIELDS: Status = 0x56;
/// Numbers for a model that takes records.
pub const MMOE_E_TAKES_RECORD: Status = 0x57;
/// A pointer is null.
pub const MMOE_E_NULL: Status = 0x70;
/// The handle was never opened, or opening it failed.
pub const MMOE_E_NOT_OPEN: Status = 0x71;
/// A buffer lies at an address that its type does not allow.
pub const MMOE_E_MISALIGNED: Status = 0x72;
/// Two buffers share bytes.
pub const MMOE_E_OVERLAP: Status = 0x73;
/// A `mmoe_value` of a kind that there is not.
pub const MMOE_E_KIND: Status = 0x74;
/// A length beyond the address space.
pub const MMOE_E_LENGTH: Status = 0x75;
/// There is no such task or output.
pub const MMOE_E_TASK: Status = 0x76;
/// Too little room for the gate weights.
pub const MMOE_E_GATES: Status = 0x77;
/// The blob is not the model that the generated header was made for.
pub const MMOE_E_OTHER_MODEL: Status = 0x78;

/// Returns a line for people on a code, with a zero at its end for C.
#[must_use]
pub const fn error_line(code: Status) -> &'static core::ffi::CStr {
    match code {
        MMOE_OK => c"MMOE_OK: all is well",
        MMOE_E_TRUNCATED => c"MMOE_E_TRUNCATED: the blob is cut: fetch the file again",
        MMOE_E_MAGIC => c"MMOE_E_MAGIC: these bytes are no mmoe blob",
        MMOE_E_VERSION => c"MMOE_E_VERSION: another version of the format: convert the model again",
        MMOE_E_CHECKSUM => c"MMOE_E_CHECKSUM: the blob is damaged: fetch the file again",
        MMOE_E_HEADER => c"MMOE_E_HEADER: the header does not parse though its checksum holds",
        MMOE_E_SECTION => c"MMOE_E_SECTION: the blob needs a newer library",
        MMOE_E_RECORD => c"MMOE_E_RECORD: a record of the header breaks a rule of the format",
        MMOE_E_BLOB_ALIGNMENT => c"MMOE_E_BLOB_ALIGNMENT: the blob must lie at a multiple of 4 bytes",
        MMOE_E_WEIGHTS => c"MMOE_E_WEIGHTS: the weights have another length than the layers need",
        MMOE_E_TYPE_INPUTS => c"MMOE_E_TYPE_INPUTS: the blob takes another number of inputs than the library was built for",
        MMOE_E_TYPE_NODES => c"MMOE_E_TYPE_NODES: the blob has other experts, gates or towers than the library was built for",
        MMOE_E_TYPE_WIRING => c"MMOE_E_TYPE_WIRING: the blob is wired in another way than the library was built for",
        MMOE_E_TYPE_LAYER => c"MMOE_E_TYPE_LAYER: a layer has another shape or precision than the library was built for",
        MMOE_E_TYPE_PACKING => c"MMOE_E_TYPE_PACKING: the weights are packed for another core: convert with its `--core`",
        MMOE_E_TYPE_TASK => c"MMOE_E_TYPE_TASK: a task has another output than the library was built for",
        MMOE_E_TYPE_TASKS => c"MMOE_E_TYPE_TASKS: the blob has another number of tasks than the library was built for",
        MMOE_E_TYPE_FEATURE => c"MMOE_E_TYPE_FEATURE: a feature is another one than the library was built for",
        MMOE_E_TYPE_FEATURES => c"MMOE_E_TYPE_FEATURES: the blob has another number of features than the library was built for",
        MMOE_E_SELF_TEST_MISSING => c"MMOE_E_SELF_TEST_MISSING: the blob has no self-test rows: convert with `--self-test 4`",
        MMOE_E_SELF_TEST_SECTION => c"MMOE_E_SELF_TEST_SECTION: the self-test section does not hold rows of this model",
        MMOE_E_SELF_TEST_ROW => c"MMOE_E_SELF_TEST_ROW: a self-test row gave other bits: program, memory or core are at fault",
        MMOE_E_SELF_TEST_SCRATCH => c"MMOE_E_SELF_TEST_SCRATCH: too little scratch: give mmoe_self_test_scratch_size() bytes",
        MMOE_E_INPUTS => c"MMOE_E_INPUTS: not as many features as the model takes",
        MMOE_E_OUTPUTS => c"MMOE_E_OUTPUTS: too little room for the outputs",
        MMOE_E_SCRATCH => c"MMOE_E_SCRATCH: too little scratch: give mmoe_scratch_size() bytes",
        MMOE_E_NODE => c"MMOE_E_NODE: there is no such expert or gate",
        MMOE_E_ELEMENT => c"MMOE_E_ELEMENT: floats where the model takes integers, or the other way round",
        MMOE_E_VALUE => c"MMOE_E_VALUE: a field is of another kind than the model takes, or may not be missing",
        MMOE_E_FIELDS => c"MMOE_E_FIELDS: not as many fields as the model's record has",
        MMOE_E_TAKES_RECORD => c"MMOE_E_TAKES_RECORD: the model takes a record: call mmoe_predict_record",
        MMOE_E_NULL => c"MMOE_E_NULL: a pointer is null",
        MMOE_E_NOT_OPEN => c"MMOE_E_NOT_OPEN: the model is not open: call mmoe_open, and look at what it returns",
        MMOE_E_MISALIGNED => c"MMOE_E_MISALIGNED: a buffer is not aligned: scratch and floats lie at multiples of 4 bytes",
        MMOE_E_OVERLAP => c"MMOE_E_OVERLAP: two buffers share bytes",
        MMOE_E_KIND => c"MMOE_E_KIND: a value's kind is none of MMOE_KIND_...",
        MMOE_E_LENGTH => c"MMOE_E_LENGTH: a length is beyond the address space",
        MMOE_E_TASK => c"MMOE_E_TASK: there is no such task",
        MMOE_E_GATES => c"MMOE_E_GATES: too little room for the gate weights: give mmoe_gate_count() floats",
        MMOE_E_OTHER_MODEL => c"MMOE_E_OTHER_MODEL: the blob is another model than the generated header was made for",
        _ => c"unknown code of mmoe",
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::{MMOE_E_OTHER_MODEL, error_line};
    use mmoe::{LoadError, RunError, SelfTestError};
    use std::collections::HashSet;

    #[test]
    fn every_code_has_its_own_line() {
        let unknown = error_line(0xffff);
        let lines = (0..=MMOE_E_OTHER_MODEL).map(error_line);
        let lines: std::vec::Vec<_> = lines.filter(|line| *line != unknown).collect();
        assert_eq!(
            lines.len(),
            include_str!("codes.rs")
                .matches("\npub const MMOE_")
                .count()
        );
        let different: HashSet<_> = lines.iter().collect();
        assert_eq!(different.len(), lines.len());
    }

    /// The engine's table of codes is the document's; a code that is missing here would be "unknown" in C.
    #[test]
    fn every_code_of_the_engine_is_known() {
        let table = include_str!("../../../docs/format.md");
        let codes: std::vec::Vec<u32> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| 0x"))
            .filter_map(|line| u32::from_str_radix(line.split_once(" |")?.0, 16).ok())
            .filter(|code| (0x10..0x60).contains(code))
            .collect();
        assert!(codes.contains(&u32::from(LoadError::Header.code())));
        assert!(codes.contains(&u32::from(RunError::Record.code())));
        assert!(codes.contains(&u32::from(SelfTestError::Missing.code())));
        for code in codes {
            assert_ne!(error_line(code), error_line(0xffff), "{code:#x}");
        }
    }
}
