/* fuzz.h - one target: bytes of a stranger go in, nothing bad happens
 *
 * The same file is a libFuzzer target (-Dfuzz=true with clang) and, with replay.c, a test that
 * runs the stored inputs, every truncation of them and many single-byte changes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data,
                            size_t         size);
