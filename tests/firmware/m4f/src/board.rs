/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m4f",
    per_two_ticks: 80,
    fpu: true,
    roomy: true,
};
