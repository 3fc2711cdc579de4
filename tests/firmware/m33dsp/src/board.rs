/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m33dsp",
    per_two_ticks: 100,
    fpu: true,
    roomy: true,
};
