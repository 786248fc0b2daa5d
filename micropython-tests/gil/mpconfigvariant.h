// The unix port's standard variant with a GIL, which it has not by itself.
#include "variants/standard/mpconfigvariant.h"

#define MICROPY_PY_THREAD (1)
#define MICROPY_PY_THREAD_GIL (1)

// A jump out of the signal handler would take the GIL along (the port refuses the two together).
#undef MICROPY_ASYNC_KBD_INTR
#define MICROPY_ASYNC_KBD_INTR (0)

// The port's atomic sections need them (1.25 leaves them out with a GIL).
#define MICROPY_PY_THREAD_RECURSIVE_MUTEX (1)
