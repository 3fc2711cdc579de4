/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m33dsp",
    per_four_ticks: 200,
    fpu: true,
    roomy: true,
};
