// The files of lua/, config/ and examples/, inside the program. The list is Generated/carried.inc, which scripts/carry
// writes; their content comes with the build.
#pragma once
#include <stddef.h>

typedef struct tt_carried {
    const char *path;  // in the project, with '/'
    const void *bytes;
    size_t count;
} tt_carried;

int tt_carried_count(void);
tt_carried tt_carried_file(int i);
// The file with this path; its `path` is NULL when there is none.
tt_carried tt_carried_find(const char *path);
