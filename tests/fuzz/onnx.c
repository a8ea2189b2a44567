/* onnx.c - fuzz target: ONNX files
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/fuzz/file.h"
#include "tests/fuzz/foreign.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  fuzz_source (fuzz_file (data, size));
  return 0;
}
