#include "CCarried.h"

#include <string.h>

// #embed is C23, and an extension that clang points out in the C of this package.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
#include "Generated/carried.inc"
#pragma clang diagnostic pop

static const int count = sizeof files / sizeof *files;

int tt_carried_count(void) { return count; }
tt_carried tt_carried_file(int i) { return files[i]; }

tt_carried tt_carried_find(const char *path) {
    for (int i = 0; i < count; i++)
        if (strcmp(files[i].path, path) == 0) return files[i];
    return (tt_carried){0};
}
