/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m55",
    per_four_ticks: 125,
    fpu: true,
    roomy: true,
};
