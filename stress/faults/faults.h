// The page shared by the interposer and the scenario, also across forks.

#ifndef FAULTS_H
#define FAULTS_H

#include <stdint.h>

enum { MOST_CALLS = 8192, FRAMES = 24 };

enum fault_kind { NO_FAULTS, COUNT_CALLS, FAIL_CALL, COUNT_MEMORY, FAIL_MEMORY, FAIL_MEMORY_FROM };

struct faults {
    int32_t kind;   // enum fault_kind
    int32_t number; // which call fails, from 0
    int32_t error;  // which of its errors
    int32_t calls;  // how many there were
    int32_t failed; // how many failed
    int32_t error_given;
    char name[24];  // of the call that failed
    uint8_t function[MOST_CALLS]; // of each call, its number in the table
    int32_t frames;
    void *frame[FRAMES]; // who called it
    uintptr_t base;      // where the library is
};

#endif
