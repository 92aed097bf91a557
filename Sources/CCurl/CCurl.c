#include "CCurl.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

static pthread_once_t loading = PTHREAD_ONCE_INIT;
static char why_not[512];

#define POINTER(result, name, parameters, arguments) static __typeof__(curl_##name) *p_##name;
#define POINTER_PROCEDURE(name, parameters, arguments) static __typeof__(curl_##name) *p_##name;
TT_CURL_FUNCTIONS(POINTER)
TT_CURL_PROCEDURES(POINTER_PROCEDURE)
static __typeof__(curl_easy_setopt) *p_easy_setopt;
static __typeof__(curl_easy_getinfo) *p_easy_getinfo;
static __typeof__(curl_multi_setopt) *p_multi_setopt;

static void load(void) {
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        snprintf(why_not, sizeof why_not,
                 "HTTP needs the library libcurl.so.4 (Debian and Ubuntu: the package libcurl4): %s",
                 reason ? reason : "not found");
        return;
    }
#define FIND(name)                                                                                                     \
    if (!(p_##name = (__typeof__(curl_##name) *)dlsym(library, "curl_" #name))) {                                      \
        snprintf(why_not, sizeof why_not, "the installed libcurl.so.4 is too old: it has no curl_" #name);             \
        return;                                                                                                        \
    }
#define FIND_FUNCTION(result, name, parameters, arguments) FIND(name)
#define FIND_PROCEDURE(name, parameters, arguments) FIND(name)
    TT_CURL_FUNCTIONS(FIND_FUNCTION)
    TT_CURL_PROCEDURES(FIND_PROCEDURE)
    FIND(easy_setopt)
    FIND(easy_getinfo)
    FIND(multi_setopt)
    // 7.80 has CURLOPT_PREREQFUNCTION, which tells a request that was never sent from one that may have been.
    curl_version_info_data *version = p_version_info(CURLVERSION_NOW);
    if (version->version_num < 0x075000) {
        snprintf(why_not, sizeof why_not, "the installed libcurl.so.4 is too old: it is %s, and 7.80 is needed",
                 version->version);
        return;
    }
    CURLcode code = p_global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) snprintf(why_not, sizeof why_not, "libcurl does not start: %s", p_easy_strerror(code));
}

const char *tt_curl_load(void) {
    pthread_once(&loading, load);
    return why_not[0] ? why_not : NULL;
}

#define DEFINE(result, name, parameters, arguments)                                                                    \
    result tt_curl_##name parameters { return p_##name arguments; }
#define DEFINE_PROCEDURE(name, parameters, arguments)                                                                  \
    void tt_curl_##name parameters { p_##name arguments; }
TT_CURL_FUNCTIONS(DEFINE)
TT_CURL_PROCEDURES(DEFINE_PROCEDURE)

CURLcode tt_curl_set_long(CURL *easy, CURLoption option, long value) { return p_easy_setopt(easy, option, value); }
CURLcode tt_curl_set_size(CURL *easy, CURLoption option, curl_off_t value) {
    return p_easy_setopt(easy, option, value);
}
CURLcode tt_curl_set_text(CURL *easy, CURLoption option, const char *value) {
    return p_easy_setopt(easy, option, value);
}
CURLcode tt_curl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return p_easy_setopt(easy, option, value);
}
CURLcode tt_curl_set_pointer(CURL *easy, CURLoption option, void *value) { return p_easy_setopt(easy, option, value); }
CURLcode tt_curl_set_bytes_function(CURL *easy, CURLoption option, tt_curl_bytes function) {
    return p_easy_setopt(easy, option, function);
}
CURLcode tt_curl_set_seek_function(CURL *easy, tt_curl_seek function) {
    return p_easy_setopt(easy, CURLOPT_SEEKFUNCTION, function);
}
CURLcode tt_curl_set_prerequest_function(CURL *easy, tt_curl_prerequest function) {
    return p_easy_setopt(easy, CURLOPT_PREREQFUNCTION, function);
}

static int prepare(void *context, curl_socket_t socket, curlsocktype purpose) {
    (void)context, (void)purpose;
    int unsent = 1 << 17;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    return CURL_SOCKOPT_OK;
}

void tt_curl_prepare_sockets(CURL *easy) { p_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, prepare); }

long tt_curl_get_long(CURL *easy, CURLINFO info) {
    long value = 0;
    return p_easy_getinfo(easy, info, &value) == CURLE_OK ? value : 0;
}

const char *tt_curl_get_text(CURL *easy, CURLINFO info) {
    char *value = NULL;
    return p_easy_getinfo(easy, info, &value) == CURLE_OK ? value : NULL;
}

CURLMcode tt_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return p_multi_setopt(multi, option, value);
}
