// A walk through functions of the header: which of them a test has called, and which are missing.

#ifndef WALK_H
#define WALK_H

#include "support.h"

#define FUNCTION(name) #name,
static const char *const FUNCTIONS[] = {
#include "functions.h"
};
#undef FUNCTION
enum { N_FUNCTIONS = sizeof FUNCTIONS / sizeof *FUNCTIONS };

// The functions that the two walks have called.
static bool walked_stale[N_FUNCTIONS], walked_bad[N_FUNCTIONS];

static void mark(bool *walked, const char *call)
{
    size_t n = strcspn(call, "(");
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (strlen(FUNCTIONS[i]) == n && !strncmp(FUNCTIONS[i], call, n)) {
            walked[i] = true;
            return;
        }
    fail_msg("%s is no function of the header", call);
}

#define STALE(call) (mark(walked_stale, #call), check_code(-EBADF, (call), #call, __FILE__, __LINE__))
#define BAD(code, call) (mark(walked_bad, #call), check_code((code), (call), #call, __FILE__, __LINE__))
// Nothing to be wrong about, but it must live through it.
#define CALL(call) (mark(walked_bad, #call), (void)(call))

static const size_t OVER = (size_t)SSIZE_MAX + 1, MAX = SIZE_MAX;

// All functions whose names begin so, or, with `tls` false, all others, must have been walked.
static void all_walked(const bool *walked, bool tls, const char *how)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (!walked[i] && !strncmp(FUNCTIONS[i], "usocket_tls_", 12) == tls)
            fail_msg("%s is not walked with %s", FUNCTIONS[i], how);
}

#endif
