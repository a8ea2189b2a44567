/* weight-format.c - GGML's blocks taken apart and laid out for the kernels
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include <math.h>
#include <string.h>

static const DescryWeightFormat formats[] = {
  /* type, name, blocks under one head, halves of a head, then of a block of 32 columns: scale bytes, quants, high bits */
  { DESCRY_GGML_F32, "f32", 1, 0, 0, 128, 0 },
  { DESCRY_GGML_F16, "f16", 1, 0, 0, 64, 0 },
  { DESCRY_GGML_BF16, "bf16", 1, 0, 0, 64, 0 },
  { DESCRY_GGML_Q8_0, "q8_0", 1, 1, 0, 32, 0 },
  { DESCRY_GGML_Q4_0, "q4_0", 1, 1, 0, 16, 0 },
  { DESCRY_GGML_Q4_1, "q4_1", 1, 2, 0, 16, 0 },
  { DESCRY_GGML_Q5_0, "q5_0", 1, 1, 0, 16, 4 },
  { DESCRY_GGML_Q5_1, "q5_1", 1, 2, 0, 16, 4 },
  { DESCRY_GGML_IQ4_NL, "iq4_nl", 1, 1, 0, 16, 0 },
  { DESCRY_GGML_Q4_K, "q4_k", 8, 2, 2, 16, 0 },
  { DESCRY_GGML_Q5_K, "q5_k", 8, 2, 2, 16, 4 },
  { DESCRY_GGML_Q6_K, "q6_k", 8, 1, 2, 16, 8 },
};

const DescryWeightFormat *
descry_weight_format_find (DescryGgmlType type)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i].type == type)
      return &formats[i];

  return NULL;
}

gsize
descry_weight_format_row (const DescryWeightFormat *format,
                          guint                     k)
{
  gsize blocks = ((gsize) k + DESCRY_BLOCK - 1) / DESCRY_BLOCK, heads = (blocks + format->super - 1) / format->super;

  return heads * (format->halves * 2 + format->super * (format->bytes + format->quants + format->high));
}

/* 32 columns of one row. */
typedef struct
{
  guint8 bytes[2]; /* scale and minimum, or the scales of both halves */
  guint8 quants[32]; /* of up to 4 bits: column i and column 16 + i in byte i */
  guint8 high[32]; /* bits 4 and 5 of each column */
} Block;

static guint16
get16 (const guint8 *from)
{
  return (guint16) (from[0] | from[1] << 8);
}

static gboolean
half_is_finite (guint16 half)
{
  return (half & 0x7c00) != 0x7c00;
}

/* The halves in front of a row's super-block; FALSE if one is no number. */
static gboolean
take_head (const DescryWeightFormat *format,
           const guint8             *from,
           guint16                  *halves)
{
  guint at = format->type == DESCRY_GGML_Q6_K ? 208 : 0, i;

  for (i = 0; i < format->halves; i++)
    {
      halves[i] = get16 (from + at + 2 * i);
      if (!half_is_finite (halves[i]))
        return FALSE;
    }

  return TRUE;
}

/* Byte i of @nibbles' half @high: two columns into one byte. */
static void
join_nibbles (const guint8 *nibbles,
              guint         shift,
              guint8       *to)
{
  guint i;

  for (i = 0; i < 16; i++)
    to[i] = (nibbles[i] >> shift & 15) | (nibbles[16 + i] >> shift & 15) << 4;
}

/* Block @b of the super-block at @from. */
static void
take_block (const DescryWeightFormat *format,
            const guint8             *from,
            guint                     b,
            Block                    *block)
{
  const guint8 *scales = from + 4;
  guint32 bits;
  guint i;

  switch (format->type)
    {
    case DESCRY_GGML_Q5_0:
    case DESCRY_GGML_Q5_1:
      from += 2 * format->halves;
      bits = get16 (from) | (guint32) get16 (from + 2) << 16;
      memcpy (block->quants, from + 4, 16);
      for (i = 0; i < 32; i++)
        block->high[i] = bits >> i & 1;
      break;
    case DESCRY_GGML_Q4_K:
    case DESCRY_GGML_Q5_K:
      if (b < 4)
        {
          block->bytes[0] = scales[b] & 63;
          block->bytes[1] = scales[b + 4] & 63;
        }
      else
        {
          block->bytes[0] = (scales[b + 4] & 15) | (scales[b - 4] >> 6) << 4;
          block->bytes[1] = (scales[b + 4] >> 4) | (scales[b] >> 6) << 4;
        }
      if (format->type == DESCRY_GGML_Q5_K)
        for (i = 0; i < 32; i++)
          block->high[i] = from[16 + i] >> b & 1;
      join_nibbles (from + (format->type == DESCRY_GGML_Q4_K ? 16 : 48) + b / 2 * 32, b % 2 * 4, block->quants);
      break;
    case DESCRY_GGML_Q6_K:
      block->bytes[0] = from[192 + b * 2];
      block->bytes[1] = from[192 + b * 2 + 1];
      join_nibbles (from + b / 4 * 64 + b % 2 * 32, b % 4 / 2 * 4, block->quants);
      for (i = 0; i < 32; i++)
        block->high[i] = from[128 + b / 4 * 32 + i] >> b % 4 * 2 & 3;
      break;
    default:
      memcpy (block->quants, from + 2 * format->halves, format->quants);
    }
}

/* Bit 8 i + j of a word is column 4 j + i, so that a shift and a mask bring four columns' bits into four bytes. With
 * two bits a column there are two words, for 16 columns each. */
static void
pack_high (const DescryWeightFormat *format,
           const guint8             *high,
           guint32                  *words)
{
  guint c;

  words[0] = words[1] = 0;
  for (c = 0; c < 32; c++)
    if (format->high == 4)
      words[0] |= (guint32) high[c] << (8 * (c % 4) + c / 4);
    else
      words[c / 16] |= (guint32) high[c] << (8 * (c % 4) + 2 * (c % 16 / 4));
}

static gboolean
pack_panel_floats (const DescryWeightFormat *format,
                   guint                     k,
                   const guint8             *row,
                   guint8                   *panel,
                   guint                     lane)
{
  guint width = format->quants / DESCRY_BLOCK, i;

  for (i = 0; i < k; i++)
    memcpy (panel + ((gsize) i * DESCRY_PANEL + lane) * width, row + (gsize) i * width, width);

  return TRUE;
}

static gboolean
floats_are_finite (const DescryWeightFormat *format,
                   guint                     k,
                   const guint8             *row)
{
  guint i;

  for (i = 0; i < k; i++)
    {
      float value;

      if (format->type == DESCRY_GGML_F16 && !half_is_finite (get16 (row + 2 * (gsize) i)))
        return FALSE;
      if (format->type == DESCRY_GGML_BF16 && (get16 (row + 2 * (gsize) i) & 0x7f80) == 0x7f80)
        return FALSE;
      if (format->type == DESCRY_GGML_F32)
        {
          memcpy (&value, row + 4 * (gsize) i, 4);
          if (!isfinite (value))
            return FALSE;
        }
    }

  return TRUE;
}

/* Panels of 32 rows, each row's block spread over the lanes of its panel. */
gboolean
descry_weight_format_pack_panel (const DescryWeightFormat *format,
                                 guint                     k,
                                 const guint8             *row,
                                 guint8                   *panel,
                                 guint                     lane)
{
  guint blocks = k / DESCRY_BLOCK, block_bytes = format->bytes + format->quants + format->high;
  gsize stride = descry_ggml_block_bytes (format->type);
  guint16 halves[2];
  guint32 words[2];
  Block block;
  guint b, i;

  if (format->halves == 0)
    return floats_are_finite (format, k, row) && pack_panel_floats (format, k, row, panel, lane);

  for (b = 0; b < blocks; b++)
    {
      guint in_super = b % format->super;

      if (in_super == 0)
        {
          if (!take_head (format, row, halves))
            return FALSE;
          for (i = 0; i < format->halves; i++)
            memcpy (panel + (i * DESCRY_PANEL + lane) * 2, &halves[i], 2);
          panel += format->halves * DESCRY_PANEL * 2;
        }
      take_block (format, row, in_super, &block);
      for (i = 0; i < format->bytes; i++)
        panel[i * DESCRY_PANEL + lane] = block.bytes[i];
      for (i = 0; i < format->quants; i += 4)
        memcpy (panel + format->bytes * DESCRY_PANEL + i * DESCRY_PANEL + lane * 4, block.quants + i, 4);
      if (format->high > 0)
        {
          pack_high (format, block.high, words);
          for (i = 0; i < format->high / 4; i++)
            memcpy (panel + (format->bytes + format->quants) * DESCRY_PANEL + (i * DESCRY_PANEL + lane) * 4, &words[i], 4);
        }
      panel += block_bytes * DESCRY_PANEL;
      if (in_super == format->super - 1)
        row += stride;
    }

  return TRUE;
}

/* Four rows' words, sixteen bytes each, turned: word i of all four stand together. */
typedef guint32 Words __attribute__ ((vector_size (16)));

static inline void
turn_words (const guint8 *const *rows,
            guint            at,
            guint8          *to)
{
  Words a, b, c, d, low, high, low2, high2, out[4];
  guint i;

  memcpy (&a, rows[0] + at, sizeof a);
  memcpy (&b, rows[1] + at, sizeof b);
  memcpy (&c, rows[2] + at, sizeof c);
  memcpy (&d, rows[3] + at, sizeof d);
  low = __builtin_shufflevector (a, b, 0, 4, 1, 5);
  high = __builtin_shufflevector (a, b, 2, 6, 3, 7);
  low2 = __builtin_shufflevector (c, d, 0, 4, 1, 5);
  high2 = __builtin_shufflevector (c, d, 2, 6, 3, 7);
  out[0] = __builtin_shufflevector (low, low2, 0, 1, 4, 5);
  out[1] = __builtin_shufflevector (low, low2, 2, 3, 6, 7);
  out[2] = __builtin_shufflevector (high, high2, 0, 1, 4, 5);
  out[3] = __builtin_shufflevector (high, high2, 2, 3, 6, 7);
  for (i = 0; i < 4; i++)
    memcpy (to + i * DESCRY_PANEL * 4, &out[i], sizeof out[i]);
}

/* A block of these is its halves and then its quants, as they are. */
gboolean
descry_weight_format_pack_rows (const DescryWeightFormat *format,
                                guint                     k,
                                const guint8 *const      *rows,
                                guint8                   *panel,
                                gboolean                 *done)
{
  guint stride = descry_ggml_block_bytes (format->type), b, i, lane;
  gboolean finite = TRUE;

  *done = format->halves > 0 && format->super == 1 && format->high == 0;
  if (!*done)
    return TRUE;

  for (b = 0; b < k / DESCRY_BLOCK; b++)
    {
      const guint at = b * stride, quants = at + format->halves * 2;

      for (lane = 0; lane < DESCRY_PANEL; lane++)
        for (i = 0; i < format->halves; i++)
          {
            memcpy (panel + (i * DESCRY_PANEL + lane) * 2, rows[lane] + at + i * 2, 2);
            finite = finite && half_is_finite (get16 (rows[lane] + at + i * 2));
          }
      panel += format->halves * DESCRY_PANEL * 2;
      for (i = 0; i < format->quants; i += 16)
        for (lane = 0; lane < DESCRY_PANEL; lane += 4)
          turn_words (rows + lane, quants + i, panel + i * DESCRY_PANEL + lane * 4);
      panel += format->quants * DESCRY_PANEL;
    }

  return finite;
}

/* Rows one after another: quants first, then the high bits, the scale bytes, and each of the halves of all rows. */
gboolean
descry_weight_format_pack_plain (const DescryWeightFormat *format,
                                 guint                     n,
                                 guint                     k,
                                 const guint8             *row,
                                 guint8                   *data,
                                 guint                     r)
{
  gsize blocks = ((gsize) k + DESCRY_BLOCK - 1) / DESCRY_BLOCK, heads = blocks / format->super, stride = descry_ggml_block_bytes (format->type);
  guint8 *high = data + n * blocks * format->quants, *bytes = high + n * blocks * format->high, *head = bytes + n * blocks * format->bytes;
  guint16 halves[2];
  guint32 words[2];
  Block block;
  gsize b, i;

  if (format->halves == 0)
    {
      memcpy (data + r * blocks * format->quants, row, (gsize) k * format->quants / DESCRY_BLOCK);
      return floats_are_finite (format, k, row);
    }

  for (b = 0; b < blocks; b++)
    {
      gsize at = r * blocks + b;
      guint in_super = b % format->super;

      if (in_super == 0)
        {
          if (!take_head (format, row, halves))
            return FALSE;
          for (i = 0; i < format->halves; i++)
            memcpy (head + (i * n * heads + r * heads + b / format->super) * 2, &halves[i], 2);
        }
      take_block (format, row, in_super, &block);
      memcpy (data + at * format->quants, block.quants, format->quants);
      if (format->high > 0)
        {
          pack_high (format, block.high, words);
          memcpy (high + at * format->high, words, format->high);
        }
      memcpy (bytes + at * format->bytes, block.bytes, format->bytes);
      if (in_super == format->super - 1)
        row += stride;
    }

  return TRUE;
}
