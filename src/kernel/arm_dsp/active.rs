//! Dense layers of int8 weights packed as `Pairs`, from the columns that are not zero alone.
#![allow(unsafe_code)]

use core::arch::naked_asm;

use super::SEGMENT;
use crate::kernel::portable::active::accumulate_singles;
use crate::kernel::portable::gemv_i8_pairs::add_last_column;
use crate::kernel::{Active, ActiveColumns};

/// Adds to the sums of one panel the columns in the list: r0 the panel's weights, r1 the list, r2 its
/// end, r3 the sums.
///
/// Column c has its halves at byte 2·(c + (c without its lowest bit)) of the panel and 4 bytes on,
/// which holds for all but the odd column at the end of a row. Two columns are put into one word at a
/// time, so that the products are those of `gemv_i8_pairs.rs`.
///
/// # Safety
///
/// `w` is readable for the weights of every column listed, as said; the list lies at a multiple of 4
/// and has at most [`SEGMENT`] entries; `acc` is readable and writable for four i32.
#[unsafe(naked)]
unsafe extern "C" fn active_columns(
    w: *const i8,
    list: *const Active<i16>,
    end: *const Active<i16>,
    acc: *mut [i32; 4],
) {
    naked_asm!(
        cpu!(),
        "push {{r2-r11, lr}}",
        "add r2, r0, #4",
        "mov r8, #0",
        "mov r9, r8",
        "mov r10, r8",
        "mov r11, r8",
        "mov r12, r8",
        "mov lr, r8",
        // An odd one first: its word has a zero beside it.
        "ldr r3, [sp]",
        "subs r4, r3, r1",
        "lsls r4, r4, #29",
        "beq 21f",
        "ldr r4, [r1], #4",
        "uxth r6, r4",
        "bic r7, r4, #1",
        "uxtah r6, r6, r7",
        "asrs r4, r4, #16",
        "ldrh r7, [r0, r6, lsl #1]",
        "ldrh r6, [r2, r6, lsl #1]",
        columns2!("r7", "r6", "r4"),
        "21: cmp r1, r3",
        "beq 23f",
        "22: ldrd r4, r5, [r1], #8",
        "uxth r6, r4",
        "bic r7, r4, #1",
        "uxtah r6, r6, r7",
        "pkhtb r4, r5, r4, asr #16",
        "uxth r3, r5",
        "bic r5, r5, #1",
        "uxtah r5, r3, r5",
        "ldrh r7, [r0, r6, lsl #1]",
        "ldrh r6, [r2, r6, lsl #1]",
        "ldrh r3, [r0, r5, lsl #1]",
        "ldrh r5, [r2, r5, lsl #1]",
        "pkhbt r7, r7, r3, lsl #16",
        "pkhbt r6, r6, r5, lsl #16",
        columns2!("r7", "r6", "r4"),
        "ldr r3, [sp]",
        "cmp r1, r3",
        "bne 22b",
        "23:",
        sums_of_rows!(),
        "ldr r3, [sp, #4]",
        "ldmia r3, {{r4-r7}}",
        "add r4, r4, r8",
        "add r5, r5, r9",
        "add r6, r6, r11",
        "add r7, r7, r12",
        "stmia r3!, {{r4-r7}}",
        "pop {{r2-r11, pc}}",
    )
}

/// What the portable function of this name computes.
#[inline(never)]
pub fn accumulate_active_i8_pairs(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
) {
    let Some(list) = x.within(total) else {
        return;
    };
    // The odd column at the end of a row has an order of its own.
    let (list, alone) = match list {
        [rest @ .., last] if total % 2 == 1 && usize::from(last.column) + 1 == total => {
            (rest, Some(last))
        }
        _ => (list, None),
    };
    let mut w = w;
    let (fours, singles) = acc.as_chunks_mut::<4>();
    for acc in fours {
        let Some((panel, rest)) = w.split_at_checked(total.wrapping_mul(4)) else {
            return;
        };
        w = rest;
        let mut rest = list;
        loop {
            let (part, more) = rest.split_at_checked(SEGMENT).unwrap_or((rest, &[]));
            let list = part.as_ptr_range();
            // SAFETY: every column of the list is below `total` and not the odd one at the end, so
            // that its pair is whole and lies in the panel, which has 4·total bytes. `Active` is a
            // word, the column below the value, at a multiple of 4. The function keeps r4 to r11
            // and the stack pointer, as the calling convention wants, calls nothing, and writes to
            // `acc` and below the stack pointer alone.
            unsafe { active_columns(panel.as_ptr(), list.start, list.end, acc) }
            if more.is_empty() {
                break;
            }
            rest = more;
        }
        if let Some(x) = alone {
            add_last_column(panel, x.value, acc);
        }
    }
    if !singles.is_empty() {
        accumulate_singles(w, total, x, singles);
    }
}
