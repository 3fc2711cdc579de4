/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "m3",
    per_four_ticks: 160,
    fpu: false,
    roomy: true,
};
