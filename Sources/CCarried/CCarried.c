#include "CCarried.h"
