/// What the shared code has to know.
pub const BOARD: firmware_common::Board = firmware_common::Board {
    name: "riscv",
    per_four_ticks: 0,
    fpu: false,
    roomy: true,
};
