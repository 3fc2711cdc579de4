/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "microbit",
    per_four_ticks: 250,
    fpu: false,
    roomy: false,
};
