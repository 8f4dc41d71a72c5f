// SPDX-License-Identifier: GPL-2.0-or-later
#include "generated/utsrelease.h"
#include "tiny.h"

const char kernel_release[] = UTS_RELEASE;
const char kernel_version[] = UTS_VERSION;
const char kernel_banner[] = "keepsane-tiny version " UTS_RELEASE " (gcc " __VERSION__ ") " UTS_VERSION;
