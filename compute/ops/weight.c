/* weight.c - weights packed for the device's kernels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include "compute/device/device-private.h"
#include "compute/memory.h"

/* Bytes sent to the device in one piece. */
#define PIECE (16u << 20)
#define MAX_PACKERS 8 /* threads */
#define READ_BYTES (128u << 10) /* what one takes from a file at once */
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

  if (!descry_tensor_alloc (weight->device, &weight->data, DESCRY_U8, 1, &shape, error))
    return FALSE;

  for (at = 0; at < weight->bytes; at += PIECE)
    {
      guint n = MIN (PIECE, weight->bytes - at);

      descry_run_write (run, descry_tensor_columns (weight->data, at, n), packed + at, n);
    }

  return descry_run_finish (run, error);
}

/* Panels from @first to before @end, one thread's share. */
typedef struct
{
  const DescryWeight     *weight;
  const DescryWeightPart *parts;
  guint8                 *packed;
  guint                   n_parts, first, end;
  GError                 *error;
} Share;

/* Points @rows at rows first to end - 1, of all parts one after another; what must be read goes into @scratch, @row_bytes each. */
static gboolean
fetch (Share         *share,
       guint          first,
       guint          end,
       gsize          row_bytes,
       guint8        *scratch,
       const guint8 **rows,
       DescryGgmlType *types)
{
  guint part, begin = 0, r;

  for (part = 0; part < share->n_parts; begin += share->parts[part++].n)
    {
      const DescryWeightPart *p = &share->parts[part];
      guint from = MAX (first, begin), to = MIN (end, begin + p->n);
      guint8 *place = scratch + (gsize) (from - first) * row_bytes;
      guint64 stride;

      if (from >= to)
        continue;
      if (!descry_ggml_bytes (p->type, share->weight->k, &stride))
        {
          g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: rows of %u do not fit the blocks of type %d", share->weight->name, share->weight->k, p->type);
          return FALSE;
        }
      if (p->data == NULL && !p->read (p->source, (from - begin) * stride, place, (to - from) * stride, &share->error))
        return FALSE;
      for (r = from; r < to; r++)
        {
          rows[r - first] = p->data != NULL ? (const guint8 *) p->data + (r - begin) * stride : place + (r - from) * stride;
          types[r - first] = p->type;
        }
    }

  return TRUE;
}

/* One row on its own; @values holds one in f32. */
static gboolean
pack_row (Share         *share,
          guint          r,
          const guint8  *row,
          DescryGgmlType type,
          float         *values)
{
  const DescryWeight *weight = share->weight;
  const DescryWeightFormat *format = descry_weight_format_find (weight->type);
  gboolean ok;

  if (type != weight->type)
    {
      if (!descry_ggml_dequantise (type, row, weight->k, values))
        {
          g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: its type, %s, is not one of weights", weight->name, descry_ggml_name (type));
          return FALSE;
        }
      row = (const guint8 *) values;
    }
  if (descry_device_family (weight->device) == DESCRY_FAMILY_CPU)
    ok = descry_weight_format_pack_panel (format, weight->k, row,
                                          share->packed + r / DESCRY_PANEL * descry_weight_format_row (format, weight->k) * DESCRY_PANEL, r % DESCRY_PANEL);
  else
    ok = descry_weight_format_pack_plain (format, weight->n, weight->k, row, share->packed, r);
  if (!ok)
    g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: row %u holds numbers that are not finite", weight->name, r);

  return ok;
}

/* Panel @panel, the @n rows of which are there. */
static gboolean
pack_panel (Share                *share,
            guint                 panel,
            guint                 n,
            const guint8 *const  *rows,
            const DescryGgmlType *types,
            float                *values)
{
  const DescryWeight *weight = share->weight;
  const DescryWeightFormat *format = descry_weight_format_find (weight->type);
  gboolean whole = n == DESCRY_PANEL && descry_device_family (weight->device) == DESCRY_FAMILY_CPU, done = FALSE;
  guint i;

  for (i = 0; i < n && whole; i++)
    whole = types[i] == weight->type;
  /* What is wrong is told row by row. */
  if (whole && descry_weight_format_pack_rows (format, weight->k, rows, share->packed + panel * descry_weight_format_row (format, weight->k) * DESCRY_PANEL, &done) && done)
    return TRUE;

  for (i = 0; i < n; i++)
    if (!pack_row (share, panel * DESCRY_PANEL + i, rows[i], types[i], values))
      return FALSE;

  return TRUE;
}

static gpointer
pack_share (gpointer data)
{
  Share *share = data;
  const DescryWeight *weight = share->weight;
  gsize row_bytes = 0;
  guint64 stride;
  guint step, panel, at, i;
  const guint8 **rows;
  DescryGgmlType *types;
  guint8 *scratch;
  float *values;

  for (i = 0; i < share->n_parts; i++)
    if (descry_ggml_bytes (share->parts[i].type, weight->k, &stride))
      row_bytes = MAX (row_bytes, stride);
  /* As much at once as stays in the core's own cache. */
  step = CLAMP (READ_BYTES / MAX (row_bytes * DESCRY_PANEL, 1), 1, MAX (share->end - share->first, 1));
  values = descry_try_alloc (weight->k, sizeof *values);
  scratch = descry_try_alloc ((gsize) step * DESCRY_PANEL, row_bytes);
  rows = g_new (const guint8 *, step * DESCRY_PANEL);
  types = g_new (DescryGgmlType, step * DESCRY_PANEL);
  if (values == NULL || scratch == NULL)
    g_set_error (&share->error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for a row", weight->name);

  for (panel = share->first; panel < share->end && share->error == NULL; panel += step)
    {
      guint first = panel * DESCRY_PANEL, end = MIN (MIN (panel + step, share->end) * DESCRY_PANEL, weight->n);

      if (fetch (share, first, end, row_bytes, scratch, rows, types))
        for (at = first; at < end && pack_panel (share, at / DESCRY_PANEL, MIN (DESCRY_PANEL, end - at), rows + (at - first), types + (at - first), values); at += DESCRY_PANEL)
          ;
    }

  g_free (rows);
  g_free (types);
  descry_free (scratch);
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
                            .first = (guint) ((guint64) panels * i / n), .end = (guint) ((guint64) panels * (i + 1) / n) };
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
  GError *problem = NULL;
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
  if (bytes >= G_MAXINT32)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_SHAPE, "%s: %u×%u is too large for one buffer", name, weight->n, k);
      return NULL;
    }

  packed = descry_device_host_take (device, bytes, &problem);
  if (problem != NULL)
    {
      g_propagate_error (error, problem);
      return NULL;
    }
  if (packed != NULL)
    {
      if (!pack (weight, parts, n_parts, packed, error))
        {
          descry_device_host_give (device, packed);
          return NULL;
        }
      weight->data = (DescryTensor) { .type = DESCRY_U8, .n_dims = 1, .shape = { bytes, 1, 1, 1 }, .pitch = bytes };
      weight->data.buffer = descry_device_host_buffer (device, packed, bytes, error);
      return weight->data.buffer != NULL ? g_steal_pointer (&weight) : NULL;
    }

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
