#pragma once
#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// libedit's setters are variadic and its streams are stdio's; both are out of Swift's reach.

static inline char *tt_edit_prompt(EditLine *edit) {
    void *text = NULL;
    el_get(edit, EL_CLIENTDATA, &text);
    return text;
}

// An editor on standard input and output with emacs keys, over `history`. Signals stay the program's.
static inline EditLine *tt_edit_open(History *history_list) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    EditLine *edit = el_init("tt", stdin, stdout, stderr);
    if (!edit) return NULL;
    el_set(edit, EL_SIGNAL, 0);
    el_set(edit, EL_EDITOR, "emacs");
    el_set(edit, EL_PROMPT, tt_edit_prompt);
    el_set(edit, EL_HIST, history, history_list);
    el_source(edit, NULL);
    return edit;
}

// `text` must stay valid until the line is read.
static inline const char *tt_edit_read(EditLine *edit, const char *text, int *count) {
    el_set(edit, EL_CLIENTDATA, text);
    el_resize(edit);
    return el_gets(edit, count);
}

static inline History *tt_edit_history(int size) {
    HistEvent event;
    History *list = history_init();
    if (!list) return NULL;
    history(list, &event, H_SETSIZE, size);
    history(list, &event, H_SETUNIQUE, 1);
    return list;
}

static inline void tt_edit_history_load(History *list, const char *path) {
    HistEvent event;
    history(list, &event, H_LOAD, path);
}

static inline void tt_edit_history_save(History *list, const char *path) {
    HistEvent event;
    history(list, &event, H_SAVE, path);
}

static inline void tt_edit_history_add(History *list, const char *line) {
    HistEvent event;
    history(list, &event, H_ENTER, line);
}

// A line of standard input without editing; -1 at its end.
static inline ssize_t tt_edit_plain_line(char **line, size_t *capacity) { return getline(line, capacity, stdin); }
