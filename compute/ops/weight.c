/* weight.c - weights packed for the device's kernels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

#define BLOCK 32
/* Bytes sent to the device in one piece. */
#define PIECE (16u << 20)

const char *
descry_weight_format (const DescryWeight *weight)
{
  switch (weight->type)
    {
    case DESCRY_GGML_F32: return "f32";
    case DESCRY_GGML_F16: return "f16";
    case DESCRY_GGML_Q8_0: return "q8_0";
    case DESCRY_GGML_Q4_0: return "q4_0";
    case DESCRY_GGML_Q4_1: return "q4_1";
    default: g_return_val_if_reached (NULL);
    }
}

static gboolean
has_kernel (DescryGgmlType type)
{
  return type == DESCRY_GGML_F32 || type == DESCRY_GGML_F16 || type == DESCRY_GGML_Q8_0 || type == DESCRY_GGML_Q4_0 || type == DESCRY_GGML_Q4_1;
}

/* Bytes of 32 columns of one row, as packed. */
static guint
packed_bytes (DescryGgmlType type)
{
  switch (type)
    {
    case DESCRY_GGML_F32: return 128;
    case DESCRY_GGML_F16: return 64;
    case DESCRY_GGML_Q8_0: return 34;
    case DESCRY_GGML_Q4_0: return 18;
    case DESCRY_GGML_Q4_1: return 20;
    default: g_return_val_if_reached (0);
    }
}

/* Halves before the quants of a block of @type: its scale, and its minimum. */
static guint
scale_halves (DescryGgmlType type)
{
  return type == DESCRY_GGML_Q4_1 ? 2 : type == DESCRY_GGML_F32 || type == DESCRY_GGML_F16 ? 0 : 1;
}

static gboolean
half_is_finite (guint16 half)
{
  return (half & 0x7c00) != 0x7c00;
}

/* One row of @k weights in GGML's layout, checked. */
static gboolean
check_row (const DescryWeight *weight,
           const guint8       *row)
{
  guint blocks = (weight->k + BLOCK - 1) / BLOCK, size = packed_bytes (weight->type), halves = scale_halves (weight->type);
  guint i, j;

  if (weight->type == DESCRY_GGML_F32 || weight->type == DESCRY_GGML_F16)
    for (i = 0; i < weight->k; i++)
      {
        if (weight->type == DESCRY_GGML_F32)
          {
            float v;

            memcpy (&v, row + 4 * i, 4);
            if (!isfinite (v))
              return FALSE;
          }
        else
          {
            guint16 v;

            memcpy (&v, row + 2 * i, 2);
            if (!half_is_finite (v))
              return FALSE;
          }
      }
  else
    for (i = 0; i < blocks; i++)
      for (j = 0; j < halves; j++)
        {
          guint16 v;

          memcpy (&v, row + i * size + 2 * j, 2);
          if (!half_is_finite (v))
            return FALSE;
        }

  return TRUE;
}

/* GGML's 4-bit blocks already hold column i and column 16 + i in one byte. */
static guint
quant_bytes (DescryGgmlType type)
{
  return packed_bytes (type) - 2 * scale_halves (type);
}

/* Panels of 32 rows, each row's block spread over the lanes of its panel. */
static void
pack_panel_row (const DescryWeight *weight,
                guint8             *panel,
                guint               lane,
                const guint8       *row)
{
  guint blocks = (weight->k + BLOCK - 1) / BLOCK, size = packed_bytes (weight->type), halves = scale_halves (weight->type);
  guint width = weight->type == DESCRY_GGML_F32 ? 4 : weight->type == DESCRY_GGML_F16 ? 2 : 1;
  guint quants = quant_bytes (weight->type) / width;
  guint b, i;

  for (b = 0; b < blocks; b++)
    {
      guint8 *to = panel + (gsize) b * size * DESCRY_PANEL;
      const guint8 *from = row + (gsize) b * size;
      /* Only f32 and f16 rows may end inside a block. */
      guint valid = MIN (quants, halves == 0 ? weight->k - b * BLOCK : quants);

      for (i = 0; i < halves; i++)
        memcpy (to + (i * DESCRY_PANEL + lane) * 2, from + 2 * i, 2);
      to += halves * DESCRY_PANEL * 2;
      from += halves * 2;
      if (halves == 0)
        for (i = 0; i < valid; i++)
          memcpy (to + (i * DESCRY_PANEL + lane) * width, from + i * width, width);
      else
        for (i = 0; i < quants; i += 4)
          memcpy (to + (i * DESCRY_PANEL + lane * 4), from + i, 4);
    }
}

/* Rows one after another: quants first, then the scales of all rows, then their minima. */
static void
pack_plain_row (const DescryWeight *weight,
                guint8             *data,
                guint               r,
                const guint8       *row)
{
  gsize blocks = (weight->k + BLOCK - 1) / BLOCK, size = packed_bytes (weight->type), quants = quant_bytes (weight->type);
  guint halves = scale_halves (weight->type);
  gsize b, i;

  if (halves == 0)
    {
      memcpy (data + r * blocks * size, row, (gsize) weight->k * size / BLOCK);
      return;
    }
  for (b = 0; b < blocks; b++)
    {
      memcpy (data + (r * blocks + b) * quants, row + b * size + halves * 2, quants);
      for (i = 0; i < halves; i++)
        memcpy (data + weight->n * blocks * quants + (i * weight->n * blocks + r * blocks + b) * 2, row + b * size + i * 2, 2);
    }
}

/* The type that @type is kept in: its own, or one with a kernel. bf16 is kept exactly. */
static DescryGgmlType
choose_type (DescryGgmlType type)
{
  return has_kernel (type) ? type : type == DESCRY_GGML_BF16 ? DESCRY_GGML_F32 : DESCRY_GGML_Q8_0;
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

static gboolean
pack (DescryWeight           *weight,
      const DescryWeightPart *parts,
      guint                   n_parts,
      guint8                 *packed,
      GError                **error)
{
  gboolean panels = descry_device_family (weight->device) == DESCRY_FAMILY_CPU;
  gsize row_bytes = (gsize) (weight->k + BLOCK - 1) / BLOCK * packed_bytes (weight->type);
  float *values = NULL;
  guint8 *converted = NULL;
  gboolean result = TRUE;
  guint part, i, r = 0;

  values = descry_try_alloc (weight->k, sizeof *values);
  converted = descry_try_alloc (1, row_bytes);
  if (values == NULL || converted == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for a row", weight->name);
      result = FALSE;
    }

  for (part = 0; part < n_parts && result; part++)
    {
      guint64 stride;

      if (!descry_ggml_bytes (parts[part].type, weight->k, &stride))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: rows of %u do not fit the blocks of type %d", weight->name, weight->k, parts[part].type);
          result = FALSE;
        }
      for (i = 0; i < parts[part].n && result; i++, r++)
        {
          const guint8 *row = (const guint8 *) parts[part].data + i * stride;

          if (parts[part].type != weight->type)
            {
              descry_ggml_dequantise (parts[part].type, row, weight->k, values);
              descry_ggml_quantise (weight->type, values, weight->k, converted);
              row = converted;
            }
          if (!check_row (weight, row))
            {
              g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: row %u holds numbers that are not finite", weight->name, i);
              result = FALSE;
            }
          else if (panels)
            pack_panel_row (weight, packed + r / DESCRY_PANEL * row_bytes * DESCRY_PANEL, r % DESCRY_PANEL, row);
          else
            pack_plain_row (weight, packed, r, row);
        }
    }

  descry_free (values);
  descry_free (converted);
  return result;
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
  if (n == 0 || k == 0 || n > G_MAXINT32 || !g_uint64_checked_mul (&bytes, bytes, ((guint64) k + BLOCK - 1) / BLOCK * packed_bytes (weight->type)))
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
