// Included before every file of MicroPython (-include): callbacks scheduled by another thread must run while the main
// thread waits in the library (runtime.c).
#ifndef __ASSEMBLER__
void usk_scheduled(void);
#define MICROPY_SCHED_HOOK_SCHEDULED usk_scheduled()
#endif
