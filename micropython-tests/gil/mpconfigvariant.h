// The unix port's standard variant with a GIL, which it has not by itself.
#include "variants/standard/mpconfigvariant.h"

#define MICROPY_PY_THREAD (1)
#define MICROPY_PY_THREAD_GIL (1)

// What 1.25 does not see to itself: a jump out of the signal handler would take the GIL along, and the port's
// atomic sections need such a mutex.
#if MICROPY_VERSION_MINOR < 26
#undef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)
#define MICROPY_PY_THREAD_RECURSIVE_MUTEX (1)
#endif
