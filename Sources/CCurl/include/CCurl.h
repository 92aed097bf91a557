// libcurl, loaded when it is first needed: scripts that make no HTTP request neither pay for it nor need it.
//
// Each function of libcurl that tt uses is here as tt_curl_name, with libcurl's own types and meaning; the variadic ones
// are there once for each type. Nothing may be called before tt_curl_load has succeeded.
#pragma once
#include <stddef.h>
#include <time.h>
#define CURL_DISABLE_TYPECHECK 1
#define CURL_DISABLE_DEPRECATION 1
#include <curl/curl.h>

// Loads libcurl.so.4 and initialises it. Returns NULL, or why it cannot be used (a static text). Cheap after the first
// call.
const char *tt_curl_load(void);

// X(result, name, (parameters), (arguments)) is the function curl_name.
#define TT_CURL_FUNCTIONS(X)                                                                                           \
    X(CURLcode, global_init, (long flags), (flags))                                                                    \
    X(curl_version_info_data *, version_info, (CURLversion age), (age))                                                \
    X(CURL *, easy_init, (void), ())                                                                                   \
    X(const char *, easy_strerror, (CURLcode code), (code))                                                            \
    X(struct curl_slist *, slist_append, (struct curl_slist * list, const char *text), (list, text))                   \
    X(time_t, getdate, (const char *text, const time_t *unused), (text, unused))                                       \
    X(CURLM *, multi_init, (void), ())                                                                                 \
    X(CURLMcode, multi_cleanup, (CURLM * multi), (multi))                                                              \
    X(CURLMcode, multi_add_handle, (CURLM * multi, CURL * easy), (multi, easy))                                        \
    X(CURLMcode, multi_remove_handle, (CURLM * multi, CURL * easy), (multi, easy))                                     \
    X(CURLMcode, multi_perform, (CURLM * multi, int *running), (multi, running))                                       \
    X(CURLMcode, multi_poll,                                                                                           \
      (CURLM * multi, struct curl_waitfd * extra, unsigned int count, int milliseconds, int *ready),                   \
      (multi, extra, count, milliseconds, ready))                                                                      \
    X(CURLMsg *, multi_info_read, (CURLM * multi, int *left), (multi, left))                                           \
    X(const char *, multi_strerror, (CURLMcode code), (code))

// The functions that give nothing back.
#define TT_CURL_PROCEDURES(X)                                                                                          \
    X(easy_cleanup, (CURL * easy), (easy))                                                                             \
    X(easy_reset, (CURL * easy), (easy))                                                                               \
    X(slist_free_all, (struct curl_slist * list), (list))

#define TT_CURL_DECLARE(result, name, parameters, arguments) result tt_curl_##name parameters;
#define TT_CURL_DECLARE_PROCEDURE(name, parameters, arguments) void tt_curl_##name parameters;
TT_CURL_FUNCTIONS(TT_CURL_DECLARE)
TT_CURL_PROCEDURES(TT_CURL_DECLARE_PROCEDURE)
#undef TT_CURL_DECLARE
#undef TT_CURL_DECLARE_PROCEDURE

// curl_easy_setopt by the type of the value. Texts are copied by libcurl; lists, buffers and contexts are not.
CURLcode tt_curl_set_long(CURL *easy, CURLoption option, long value);
CURLcode tt_curl_set_size(CURL *easy, CURLoption option, curl_off_t value);
CURLcode tt_curl_set_text(CURL *easy, CURLoption option, const char *value);
CURLcode tt_curl_set_list(CURL *easy, CURLoption option, struct curl_slist *value);
CURLcode tt_curl_set_pointer(CURL *easy, CURLoption option, void *value);

// Reads or takes `count` bytes of size `size` (1).
typedef size_t (*tt_curl_bytes)(char *bytes, size_t size, size_t count, void *context);
CURLcode tt_curl_set_bytes_function(CURL *easy, CURLoption option, tt_curl_bytes function);
typedef int (*tt_curl_seek)(void *context, curl_off_t offset, int origin);
CURLcode tt_curl_set_seek_function(CURL *easy, tt_curl_seek function);
typedef int (*tt_curl_prerequest)(void *context, char *remote, char *local, int remote_port, int local_port);
CURLcode tt_curl_set_prerequest_function(CURL *easy, tt_curl_prerequest function);

// Readies the connections that this handle opens: programs started meanwhile do not inherit them, and the kernel takes
// little more than it can send, so that what was handed to it has nearly left the machine.
void tt_curl_prepare_sockets(CURL *easy);

// curl_easy_getinfo by the type of the value; 0 or NULL for what is not known.
long tt_curl_get_long(CURL *easy, CURLINFO info);
const char *tt_curl_get_text(CURL *easy, CURLINFO info);

CURLMcode tt_curl_multi_set_long(CURLM *multi, CURLMoption option, long value);
