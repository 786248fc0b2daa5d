// Loads a plugin, runs it and unloads it, again and again: host PLUGIN CA. The address space is the same
// after each round, and so are threads and descriptors.

#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int entries(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n;
}

static int mapped(const char *name)
{
    char line[1024];
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        n += strstr(line, name) != NULL;
    if (maps)
        fclose(maps);
    return n;
}

int main(int argc, char **argv)
{
    enum { ROUNDS = 10 };
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGIN CA\n", argv[0]);
        return 2;
    }
    int threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
    for (int round = 0; round < ROUNDS; round++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        int (*run)(const char *) = (int (*)(const char *))dlsym(plugin, "plugin_run");
        int (*end)(void) = (int (*)(void))dlsym(plugin, "plugin_end");
        int ran = run(argv[2]), ended = end();
        dlclose(plugin);
        if (ran != 0 || ended != 0) {
            fprintf(stderr, "round %d: run %d, end %d\n", round, ran, ended);
            return 1;
        }
        // (A thread that was joined may be listed for a moment yet.)
        for (int i = 0; i < 5000 && entries("/proc/self/task") != threads; i++)
            usleep(1000);
        if (entries("/proc/self/task") != threads || entries("/proc/self/fd") != descriptors) {
            fprintf(stderr, "round %d: threads or descriptors are left\n", round);
            return 1;
        }
    }
    printf("loaded and unloaded %d times; %s in memory\n", ROUNDS, mapped(argv[1]) ? "still" : "no longer");
    return 0;
}
