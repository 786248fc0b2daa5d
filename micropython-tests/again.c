// A soft reset, which the Unix port has none of: linked with -Wl,--wrap=main,--wrap=mp_deinit, the program
// runs AGAIN times in one process, and the collector's finalisers run at each end, as the ports to boards do it.

#include <stdlib.h>

// Of py/gc.h, which asks for the port's configuration.
void gc_sweep_all(void);
int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
void __real_mp_deinit(void);
void __wrap_mp_deinit(void);

int __wrap_main(int argc, char **argv) {
    const char *again = getenv("AGAIN");
    int result = 0;
    for (int n = again != NULL ? atoi(again) : 1; n > 0 && result == 0; n--) {
        result = __real_main(argc, argv);
    }
    return result;
}

void __wrap_mp_deinit(void) {
    gc_sweep_all();
    __real_mp_deinit();
}
