#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

atomic_int tt_interrupt_flag;

void tt_write_stdout(const char *bytes, size_t count) { fwrite(bytes, 1, count, stdout); }

void tt_write_stderr(const char *bytes, size_t count) {
    fflush(stdout);
    fwrite(bytes, 1, count, stderr);
}

int tt_flush_stdout(void) { return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -1; }

static int argument_count;
static char **arguments;

// The loader hands constructors what it hands main; Swift only has copies.
__attribute__((constructor)) static void remember_arguments(int argc, char **argv) {
    argument_count = argc;
    arguments = argv;
}

void tt_conceal_argument(const char *word) {
    size_t length = strlen(word);
    if (length == 0) return;
    for (int i = 1; i < argument_count; i++) {
        size_t whole = strlen(arguments[i]);
        if (whole < length || strcmp(arguments[i] + whole - length, word) != 0) continue;
        char *value = arguments[i] + whole - length;
        // Alone, behind `--flag=`, or behind the `-f` of one letter.
        bool is_value = whole == length || value[-1] == '=' || (whole == length + 2 && arguments[i][0] == '-');
        if (is_value) memset(value, '*', length);
    }
}

int tt_terminal_columns(int fd) {
    struct winsize size;
    if (!isatty(fd)) return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

int tt_open_nameless(const char *folder) {
    // Without /proc there would be no way to name it.
    if (access("/proc/self/fd", X_OK) != 0) return -1;
    return open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
}

int tt_name_file(int fd, const char *path) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

void tt_start_flush(int fd, int64_t offset, int64_t length) {
    // Only a hint: whatever is wrong shows when the file is flushed.
    (void)sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}

int tt_sync_path(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int failure = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    return failure;
}

void tt_return_large_blocks(void) { mallopt(M_MMAP_THRESHOLD, 256 << 10); }

void tt_trim_memory(void) { malloc_trim(0); }
