/* spm.c - fuzz target: SentencePiece BPE, tables and text; vocabulary.h says how they are written
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/vocabulary.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data,
                        size_t         size)
{
  return fuzz_vocabulary ("llama", data, size);
}
