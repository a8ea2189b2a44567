/* convert.h - a foreign checkpoint becomes a GGUF file, by the table of its architecture
 *
 * Every architecture lists the tensors it needs by name and shape; a missing one, one of another
 * shape and one that no line of the table explains are errors. Batch normalisation is folded in
 * double precision. In the result a convolution is NAME.weight, whose numpy shape is
 * [out, in, kh, kw] (depthwise [channels, 1, kh, kw]), and NAME.bias where the network has one.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/convert/source.h"
#include "compute/files/gguf.h"

G_BEGIN_DECLS

typedef struct
{
  guint n_tensors; /* written */
  guint n_ignored; /* of the source, known and not needed */
} DescryConvertReport;

/* Names of architectures, ending with %NULL. */
const char *const *descry_convert_architectures (void);

/**
 * descry_convert:
 * @source: what descry_source_open() gave
 * @architecture: one of descry_convert_architectures()
 * @quantize: type for the weights, or -1 for the type the architecture keeps. Weights whose rows
 *     are no multiple of the type's block, biases and scales stay as they are.
 * @path: of the new file
 * @report: (out): what was done
 */
gboolean descry_convert      (DescrySource        *source,
                              const char          *architecture,
                              int                  quantize,
                              const char          *path,
                              DescryConvertReport *report,
                              GError             **error);

/* Rewrites a GGUF file with its matrices (two or more dimensions, float or block types) as
 * @quantize; everything else is copied. */
gboolean descry_convert_gguf (const char          *source,
                              DescryGgmlType       quantize,
                              const char          *path,
                              DescryConvertReport *report,
                              GError             **error);

/* F32, F16, BF16, Q8_0, Q4_0, Q4_1 by name, whatever the case; -1 for another. */
int      descry_convert_type (const char          *name);

G_END_DECLS
