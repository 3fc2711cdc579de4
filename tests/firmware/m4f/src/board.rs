/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m4f",
    per_four_ticks: 160,
    fpu: true,
    roomy: true,
};
