/* weight.c - weights packed for the device's kernels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include "compute/memory.h"

/* Bytes sent to the device in one piece. */
#define PIECE (16u << 20)
#define MAX_PACKERS 8 /* threads */
#define LEAST_SHARE (256u << 10) /* bytes that are worth one */

const char *
descry_weight_format (const DescryWeight *weight)
{
  return descry_weight_format_find (weight->type)->name;
}

/* The type that @type is kept in: its own where there is a kernel, or what holds its numbers exactly. */
static DescryGgmlType
choose_type (DescryGgmlType type)
{
  return descry_weight_format_find (type) != NULL ? type : DESCRY_GGML_F32;
}

static gboolean
upload (DescryWeight  *weight,
        const guint8  *packed,
        GError       **error)
{
  g_autoptr (DescryRun) run = descry_run_new (weight->device, NULL);
  guint shape = weight->bytes;
  gsize at;

  if (weight->bytes >= G_MAXINT32)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s: %u×%u is too large for one buffer", weight->name, weight->n, weight->k);
      return FALSE;
    }
  if (!descry_tensor_alloc (weight->device, &weight->data, DESCRY_U8, 1, &shape, error))
    return FALSE;

  for (at = 0; at < weight->bytes; at += PIECE)
    {
      guint n = MIN (PIECE, weight->bytes - at);

      descry_run_write (run, descry_tensor_columns (weight->data, at, n), packed + at, n);
    }

  return descry_run_finish (run, error);
}

/* Rows from @first to before @end, one thread's share. */
typedef struct
{
  const DescryWeight     *weight;
  const DescryWeightPart *parts;
  guint8                 *packed;
  guint                   n_parts, first, end;
  GError                 *error;
} Share;

static gpointer
pack_share (gpointer data)
{
  Share *share = data;
  const DescryWeight *weight = share->weight;
  gboolean panels = descry_device_family (weight->device) == DESCRY_FAMILY_CPU;
  const DescryWeightFormat *format = descry_weight_format_find (weight->type);
  gsize row_bytes = descry_weight_format_row (format, weight->k);
  float *values = descry_try_alloc (weight->k, sizeof *values);
  guint part, i, r = 0;

  if (values == NULL)
    g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for a row", weight->name);

  for (part = 0; part < share->n_parts && share->error == NULL; part++)
    {
      const DescryWeightPart *p = &share->parts[part];
      guint64 stride;

      if (!descry_ggml_bytes (p->type, weight->k, &stride))
        g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: rows of %u do not fit the blocks of type %d", weight->name, weight->k, p->type);
      for (i = 0; i < p->n && share->error == NULL; i++, r++)
        {
          const guint8 *row = (const guint8 *) p->data + i * stride;

          if (r < share->first || r >= share->end)
            continue;
          if (p->type != weight->type)
            {
              if (!descry_ggml_dequantise (p->type, row, weight->k, values))
                {
                  g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: its type, %s, is not one of weights", weight->name, descry_ggml_name (p->type));
                  break;
                }
              row = (const guint8 *) values;
            }
          if (panels ? !descry_weight_format_pack_panel (format, weight->k, row, share->packed + r / DESCRY_PANEL * row_bytes * DESCRY_PANEL, r % DESCRY_PANEL)
                     : !descry_weight_format_pack_plain (format, weight->n, weight->k, row, share->packed, r))
            g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: row %u holds numbers that are not finite", weight->name, i);
        }
    }

  descry_free (values);
  return NULL;
}

/* In whole panels, so that no two threads write to one. A small weight is not worth a thread. */
static gboolean
pack (const DescryWeight     *weight,
      const DescryWeightPart *parts,
      guint                   n_parts,
      guint8                 *packed,
      GError                **error)
{
  guint panels = (weight->n + DESCRY_PANEL - 1) / DESCRY_PANEL, n = CLAMP (weight->bytes / LEAST_SHARE, 1, MIN (MAX_PACKERS, MIN (panels, g_get_num_processors ()))), i;
  GThread *threads[MAX_PACKERS] = { NULL };
  Share shares[MAX_PACKERS];
  gboolean ok = TRUE;

  for (i = 0; i < n; i++)
    {
      shares[i] = (Share) { .weight = weight, .parts = parts, .packed = packed, .n_parts = n_parts,
                            .first = (guint) ((guint64) panels * i / n * DESCRY_PANEL), .end = (guint) ((guint64) panels * (i + 1) / n * DESCRY_PANEL) };
      threads[i] = i + 1 < n ? g_thread_try_new ("pack", pack_share, &shares[i], NULL) : NULL;
      if (threads[i] == NULL)
        pack_share (&shares[i]);
    }
  for (i = 0; i < n; i++)
    {
      if (threads[i] != NULL)
        g_thread_join (threads[i]);
      if (shares[i].error == NULL)
        continue;
      if (ok)
        g_propagate_error (error, g_steal_pointer (&shares[i].error));
      ok = FALSE;
      g_clear_error (&shares[i].error);
    }

  return ok;
}

DescryWeight *
descry_weight_new_joined (DescryDevice           *device,
                          const char             *name,
                          guint                   k,
                          const DescryWeightPart *parts,
                          guint                   n_parts,
                          GError                **error)
{
  g_autoptr (DescryWeight) weight = g_new0 (DescryWeight, 1);
  gboolean panels = descry_device_family (device) == DESCRY_FAMILY_CPU;
  guint64 n = 0, bytes;
  guint8 *packed;
  gboolean ok;
  guint i;

  g_return_val_if_fail (n_parts > 0, NULL);

  weight->device = device;
  weight->name = g_strdup (name);
  weight->type = choose_type (parts[0].type);
  weight->k = k;
  for (i = 0; i < n_parts; i++)
    {
      g_return_val_if_fail (choose_type (parts[i].type) == weight->type, NULL);
      n += parts[i].n;
      if (parts[i].type != weight->type)
        g_debug ("%s is kept as %s instead of %s", name, descry_ggml_name (weight->type), descry_ggml_name (parts[i].type));
    }

  bytes = panels ? (n + DESCRY_PANEL - 1) / DESCRY_PANEL * DESCRY_PANEL : n;
  if (n == 0 || k == 0 || n > G_MAXINT32 || !g_uint64_checked_mul (&bytes, bytes, descry_weight_format_row (descry_weight_format_find (weight->type), k)))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s: a weight of %" G_GUINT64_FORMAT "×%u cannot be packed", name, n, k);
      return NULL;
    }
  weight->n = n;
  weight->bytes = bytes;

  packed = descry_try_alloc (bytes, 1);
  if (packed == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no %" G_GUINT64_FORMAT " MiB to pack it", name, bytes >> 20);
      return NULL;
    }
  ok = pack (weight, parts, n_parts, packed, error) && upload (weight, packed, error);
  descry_free (packed);

  return ok ? g_steal_pointer (&weight) : NULL;
}

DescryWeight *
descry_weight_new (DescryDevice  *device,
                   const char    *name,
                   DescryGgmlType type,
                   guint          n,
                   guint          k,
                   gconstpointer  data,
                   GError       **error)
{
  DescryWeightPart part = { type, n, data };

  return descry_weight_new_joined (device, name, k, &part, 1, error);
}

gboolean
descry_weight_joins (DescryGgmlType a,
                     DescryGgmlType b)
{
  return choose_type (a) == choose_type (b);
}

void
descry_weight_free (DescryWeight *weight)
{
  if (weight == NULL)
    return;

  descry_tensor_free (weight->device, &weight->data);
  g_free (weight->name);
  g_free (weight);
}

guint
descry_weight_rows (const DescryWeight *weight)
{
  return weight->n;
}

guint
descry_weight_cols (const DescryWeight *weight)
{
  return weight->k;
}

gsize
descry_weight_bytes (const DescryWeight *weight)
{
  return weight->bytes;
}
