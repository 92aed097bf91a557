// What Swift cannot say itself: stdio's globals, an atomic flag a signal handler may set, file flags.
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// Interrupts. The handler only stores; native loops poll.
extern atomic_int tt_interrupt_flag;
static inline bool tt_interrupt_pending(void) {
    return atomic_load_explicit(&tt_interrupt_flag, memory_order_relaxed) != 0;
}
static inline void tt_interrupt_set(int value) {
    atomic_store_explicit(&tt_interrupt_flag, value, memory_order_relaxed);
}

// Standard streams: `stdout` and `stderr` are mutable globals, which Swift 6 refuses.
void tt_write_stdout(const char *bytes, size_t count);
void tt_write_stderr(const char *bytes, size_t count);
int tt_flush_stdout(void);  // -1 when anything written so far was lost

// Overwrites a word of the command line, or what follows "=" in one, with asterisks: what the list of processes shows from
// then on. Does nothing for words that are not there.
void tt_conceal_argument(const char *word);

// Columns of the terminal behind file descriptor `fd`, or 0 when it is not a terminal.
int tt_terminal_columns(int fd);

// A file in `folder` without a name, for writing, which nobody sees and which goes with the process; -1 where the file
// system has none. `tt_name_file` gives it the name `path` in that folder; 0, or -1 with errno, EEXIST when it is taken.
int tt_open_nameless(const char *folder);
int tt_name_file(int fd, const char *path);

// Tells the system to begin to bring a part of a file to disk, and does not wait for it.
void tt_start_flush(int fd, int64_t offset, int64_t length);

// Flushes a file's or folder's content to disk; 0, or errno.
int tt_sync_path(const char *path);

// From now on a large block is a mapping of its own: its memory goes back to the system when it is freed. Columns and
// tensors would otherwise leave holes in a heap that never shrinks.
void tt_return_large_blocks(void);
// Gives memory of malloc that nothing uses back to the system, now.
void tt_trim_memory(void);
