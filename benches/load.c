/* load.c - what a process pays for having a library: loading it, all symbols resolved.
 *
 *   load LIBRARY     prints the nanoseconds
 */
#include "bench.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
    const char *library = argument(argc, argv, 1, "library");
    pin_to(0);
    int64_t start = now_ns();
    if (dlopen(library, RTLD_NOW | RTLD_LOCAL) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    return printf("%lld\n", (long long)(now_ns() - start)) < 0;
}
