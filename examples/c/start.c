// Start-up for the emulated boards. A real project has its own: from the chip's vendor, Zephyr or an IDE.
#include <stdint.h>
#include <string.h>

extern uint32_t __stack[], __data_load[], __data_start[], __data_end[];
void _start(void); // newlib's for semihosting: it clears .bss, calls main and ends the emulation

void reset(void) {
#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20; // gives access to the floating-point unit
#endif
    memcpy(__data_start, __data_load, (char *)__data_end - (char *)__data_start);
    _start();
}

static void fault(void) {
    for (;;) __asm__("bkpt 0");
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))__stack, reset, fault, fault, fault, fault, fault, [11] = fault, [14] = fault, [15] = fault,
};
