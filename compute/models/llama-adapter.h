/* llama-adapter.h - low-rank adapters merged into a language model's weights as they are loaded
 *
 * Adapters are GGUF files in llama.cpp's form: `general.type` adapter, `adapter.type` lora,
 * `adapter.lora.alpha`, and for a weight NAME [n, k] the tensors NAME.lora_a [rank, k] and
 * NAME.lora_b [n, rank]: W + alpha / rank * B A.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#pragma once

#include "compute/files/gguf.h"

G_BEGIN_DECLS

/* TRUE if @gguf says that it is an adapter. */
gboolean descry_adapter_is (DescryGguf *gguf);

/* TRUE if it changes the weight @name. */
gboolean descry_adapter_has (DescryGguf *adapter, const char *name);

/**
 * descry_adapter_merge:
 * @name: of the weight
 * @type: (inout): of @bytes; Q8_0 (F32 where the rows do not fit its blocks) if anything was merged
 * @bytes: (inout): n rows of k, descry_free(); replaced if the adapter has this weight
 *
 * Merged rather than applied beside: two more products for each of seven weights in thirty layers would cost a
 * token more launches than the wider format costs bytes.
 *
 * Returns: FALSE with an error if the adapter does not fit
 */
gboolean descry_adapter_merge (DescryGguf     *adapter,
                               const char     *name,
                               guint           n,
                               guint           k,
                               DescryGgmlType *type,
                               gpointer       *bytes,
                               GError        **error);

G_END_DECLS
