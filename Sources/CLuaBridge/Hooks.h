// How the program and its signal handlers share a coroutine's one hook. Inside CLuaBridge only.
#pragma once
#include "CLuaBridge.h"

// Between these two, signal handlers leave hooks alone: Ctrl-C is only noted, and a tick of a profile is lost. `end` does
// what a handler would have done. So no signal finds a hook half changed, or takes our own hook for the script's.
void tt_hooks_begin(tt_context *context);
void tt_hooks_end(tt_context *context);

// Takes the profile's hook away, so that none lies on top of another. Between begin and end, or in a signal handler.
void tt_profile_unhook(tt_profile *profile);
