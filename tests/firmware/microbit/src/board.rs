/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "microbit",
    per_two_ticks: 125,
    fpu: false,
    roomy: false,
};
