/* quant.c - GGML's block formats: sizes, names, and their values as f32
 *
 * The layouts are those of GGUF files: a block is a half-precision scale (and offset), then the
 * packed numbers. Products here need at most 24 bits before they meet an addition, so the values
 * are the same bits on every machine, whether or not it fuses multiplication and addition.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-quant"

#include "config.h"

#include "compute/files/quant.h"

#include <math.h>
#include <string.h>

#include "compute/files/quant-private.h"

static const struct
{
  DescryGgmlType type;
  const char    *name;
  guint          block;
  guint          bytes;
} formats[] = {
  { DESCRY_GGML_F32, "F32", 1, 4 },
  { DESCRY_GGML_F16, "F16", 1, 2 },
  { DESCRY_GGML_Q4_0, "Q4_0", 32, 18 },
  { DESCRY_GGML_Q4_1, "Q4_1", 32, 20 },
  { DESCRY_GGML_Q5_0, "Q5_0", 32, 22 },
  { DESCRY_GGML_Q5_1, "Q5_1", 32, 24 },
  { DESCRY_GGML_Q8_0, "Q8_0", 32, 34 },
  { DESCRY_GGML_Q4_K, "Q4_K", 256, 144 },
  { DESCRY_GGML_Q5_K, "Q5_K", 256, 176 },
  { DESCRY_GGML_Q6_K, "Q6_K", 256, 210 },
  { DESCRY_GGML_IQ4_NL, "IQ4_NL", 32, 18 },
  { DESCRY_GGML_I8, "I8", 1, 1 },
  { DESCRY_GGML_I16, "I16", 1, 2 },
  { DESCRY_GGML_I32, "I32", 1, 4 },
  { DESCRY_GGML_I64, "I64", 1, 8 },
  { DESCRY_GGML_F64, "F64", 1, 8 },
  { DESCRY_GGML_BF16, "BF16", 1, 2 },
};

/* IQ4_NL: the sixteen levels of its non-linear scale. */
static const gint8 iq4_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static int
find_format (DescryGgmlType type)
{
  guint i;

  for (i = 0; i < G_N_ELEMENTS (formats); i++)
    if (formats[i].type == type)
      return (int) i;

  return -1;
}

const char *
descry_ggml_name (DescryGgmlType type)
{
  int i = find_format (type);

  return i >= 0 ? formats[i].name : NULL;
}

guint
descry_ggml_block (DescryGgmlType type)
{
  int i = find_format (type);

  return i >= 0 ? formats[i].block : 0;
}

guint
descry_ggml_block_bytes (DescryGgmlType type)
{
  int i = find_format (type);

  return i >= 0 ? formats[i].bytes : 0;
}

gboolean
descry_ggml_bytes (DescryGgmlType type,
                   guint64        n,
                   guint64       *bytes)
{
  int i = find_format (type);

  if (i < 0 || n % formats[i].block != 0)
    return FALSE;

  return g_uint64_checked_mul (bytes, n / formats[i].block, formats[i].bytes);
}

float
descry_half_to_float (guint16 half)
{
  guint32 sign = (guint32) (half & 0x8000) << 16;
  guint32 exponent = (half >> 10) & 0x1f;
  guint32 fraction = half & 0x3ff;
  guint32 bits;
  float value;

  if (exponent == 0)
    {
      /* Zero and subnormals: fraction · 2⁻²⁴, exact in a float. */
      value = (float) fraction * 0x1p-24f;
      return sign ? -value : value;
    }

  if (exponent == 31)
    bits = sign | 0x7f800000 | fraction << 13;
  else
    bits = sign | (exponent + 112) << 23 | fraction << 13;

  memcpy (&value, &bits, sizeof value);
  return value;
}

guint16
descry_float_to_half (float value)
{
  guint32 bits, sign, magnitude, kept, rest, half;
  guint shift;

  memcpy (&bits, &value, sizeof bits);
  sign = bits >> 16 & 0x8000;
  magnitude = bits & 0x7fffffff;

  if (magnitude > 0x7f800000) /* NaN stays one, and quiet */
    return (guint16) (sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
    return (guint16) (sign | 0x7c00);
  if (magnitude < 0x33000000) /* below half the smallest subnormal */
    return (guint16) sign;

  if (magnitude < 0x38800000)
    {
      /* A subnormal: the hidden bit becomes visible, shifted by what the exponent lacks. */
      shift = 126 - (magnitude >> 23);
      kept = (magnitude & 0x7fffff) | 0x800000;
    }
  else
    {
      shift = 13;
      kept = magnitude - 0x38000000;
    }

  half = kept >> shift;
  rest = kept & ((1u << shift) - 1);
  if (rest > 1u << (shift - 1) || (rest == 1u << (shift - 1) && (half & 1)))
    half++; /* a carry into the exponent is what it should be */

  return (guint16) (sign | half);
}

static guint16
float_to_bfloat (float value)
{
  guint32 bits;

  memcpy (&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000)
    return (guint16) (bits >> 16 | 64);

  return (guint16) ((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static guint16
get16 (const guint8 *bytes)
{
  return (guint16) (bytes[0] | bytes[1] << 8);
}

static guint32
get32 (const guint8 *bytes)
{
  return bytes[0] | (guint32) bytes[1] << 8 | (guint32) bytes[2] << 16 | (guint32) bytes[3] << 24;
}

static float
get_half (const guint8 *bytes)
{
  return descry_half_to_float (get16 (bytes));
}

static void
put_half (guint8 *bytes,
          float   value)
{
  guint16 half = descry_float_to_half (value);

  bytes[0] = half & 0xff;
  bytes[1] = half >> 8;
}

/* The six-bit scale and minimum of sub-block j (0…7) out of the twelve bytes of Q4_K and Q5_K. */
static void
get_scale (const guint8 *packed,
           guint         j,
           guint        *scale,
           guint        *minimum)
{
  if (j < 4)
    {
      *scale = packed[j] & 63;
      *minimum = packed[j + 4] & 63;
    }
  else
    {
      *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
      *minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
    }
}

/* One block each: in @b, out 32 or 256 values. */

static void
unpack_q4_0 (const guint8 *b,
             float        *y)
{
  float d = get_half (b);
  guint i;

  for (i = 0; i < 16; i++)
    {
      y[i] = d * ((int) (b[2 + i] & 15) - 8);
      y[i + 16] = d * ((int) (b[2 + i] >> 4) - 8);
    }
}

static void
unpack_q4_1 (const guint8 *b,
             float        *y)
{
  float d = get_half (b), m = get_half (b + 2);
  guint i;

  for (i = 0; i < 16; i++)
    {
      y[i] = d * (b[4 + i] & 15) + m;
      y[i + 16] = d * (b[4 + i] >> 4) + m;
    }
}

static void
unpack_q5_0 (const guint8 *b,
             float        *y)
{
  float d = get_half (b);
  guint32 high = get32 (b + 2);
  guint i;

  for (i = 0; i < 16; i++)
    {
      int low = (b[6 + i] & 15) | (high >> i & 1) << 4;
      int up = (b[6 + i] >> 4) | (high >> (i + 16) & 1) << 4;

      y[i] = d * (low - 16);
      y[i + 16] = d * (up - 16);
    }
}

static void
unpack_q5_1 (const guint8 *b,
             float        *y)
{
  float d = get_half (b), m = get_half (b + 2);
  guint32 high = get32 (b + 4);
  guint i;

  for (i = 0; i < 16; i++)
    {
      int low = (b[8 + i] & 15) | (high >> i & 1) << 4;
      int up = (b[8 + i] >> 4) | (high >> (i + 16) & 1) << 4;

      y[i] = d * low + m;
      y[i + 16] = d * up + m;
    }
}

static void
unpack_q8_0 (const guint8 *b,
             float        *y)
{
  float d = get_half (b);
  guint i;

  for (i = 0; i < 32; i++)
    y[i] = d * (gint8) b[2 + i];
}

static void
unpack_iq4_nl (const guint8 *b,
               float        *y)
{
  float d = get_half (b);
  guint i;

  for (i = 0; i < 16; i++)
    {
      y[i] = d * iq4_levels[b[2 + i] & 15];
      y[i + 16] = d * iq4_levels[b[2 + i] >> 4];
    }
}

static void
unpack_q4_k (const guint8 *b,
             float        *y)
{
  float d = get_half (b), least = get_half (b + 2);
  guint i, j, scale, minimum;

  /* Sub-blocks 2k and 2k + 1 are the low and the high halves of the same 32 bytes. */
  for (j = 0; j < 8; j++)
    {
      const guint8 *q = b + 16 + j / 2 * 32;
      float s, m;

      get_scale (b + 4, j, &scale, &minimum);
      s = d * scale;
      m = least * minimum;
      for (i = 0; i < 32; i++)
        y[j * 32 + i] = s * (q[i] >> j % 2 * 4 & 15) - m;
    }
}

static void
unpack_q5_k (const guint8 *b,
             float        *y)
{
  float d = get_half (b), least = get_half (b + 2);
  const guint8 *high = b + 16;
  guint i, j, scale, minimum;

  for (j = 0; j < 8; j++)
    {
      const guint8 *q = b + 48 + j / 2 * 32;
      float s, m;

      get_scale (b + 4, j, &scale, &minimum);
      s = d * scale;
      m = least * minimum;
      for (i = 0; i < 32; i++)
        y[j * 32 + i] = s * ((q[i] >> j % 2 * 4 & 15) + (high[i] >> j & 1) * 16) - m;
    }
}

static void
unpack_q6_k (const guint8 *b,
             float        *y)
{
  float d = get_half (b + 208);
  guint i, half, quarter;

  /* 128 values from 64 low bytes, 32 high bytes and 8 scales; twice. */
  for (half = 0; half < 2; half++)
    {
      const guint8 *low = b + half * 64;
      const guint8 *high = b + 128 + half * 32;
      const gint8 *scales = (const gint8 *) b + 192 + half * 8;

      for (quarter = 0; quarter < 4; quarter++)
        for (i = 0; i < 32; i++)
          {
            int q = (low[quarter % 2 * 32 + i] >> quarter / 2 * 4 & 15) | (high[i] >> quarter * 2 & 3) << 4;

            y[half * 128 + quarter * 32 + i] = d * scales[quarter * 2 + i / 16] * (q - 32);
          }
    }
}

gboolean
descry_ggml_dequantise (DescryGgmlType type,
                        gconstpointer  blocks,
                        gsize          n,
                        float         *values)
{
  void (*unpack) (const guint8 *, float *) = NULL;
  const guint8 *in = blocks;
  guint block = descry_ggml_block (type), bytes = descry_ggml_block_bytes (type);
  gsize i;

  if (block == 0 || n % block != 0)
    return FALSE;

  switch (type)
    {
    case DESCRY_GGML_F32:
      memcpy (values, blocks, n * sizeof (float));
      return TRUE;
    case DESCRY_GGML_F64:
      for (i = 0; i < n; i++)
        {
          double value;

          memcpy (&value, in + i * 8, 8);
          values[i] = (float) value;
        }
      return TRUE;
    case DESCRY_GGML_F16:
      for (i = 0; i < n; i++)
        values[i] = get_half (in + i * 2);
      return TRUE;
    case DESCRY_GGML_BF16:
      for (i = 0; i < n; i++)
        {
          guint32 bits = (guint32) get16 (in + i * 2) << 16;

          memcpy (values + i, &bits, sizeof bits);
        }
      return TRUE;
    case DESCRY_GGML_Q4_0:
      unpack = unpack_q4_0;
      break;
    case DESCRY_GGML_Q4_1:
      unpack = unpack_q4_1;
      break;
    case DESCRY_GGML_Q5_0:
      unpack = unpack_q5_0;
      break;
    case DESCRY_GGML_Q5_1:
      unpack = unpack_q5_1;
      break;
    case DESCRY_GGML_Q8_0:
      unpack = unpack_q8_0;
      break;
    case DESCRY_GGML_Q4_K:
      unpack = unpack_q4_k;
      break;
    case DESCRY_GGML_Q5_K:
      unpack = unpack_q5_k;
      break;
    case DESCRY_GGML_Q6_K:
      unpack = unpack_q6_k;
      break;
    case DESCRY_GGML_IQ4_NL:
      unpack = unpack_iq4_nl;
      break;
    default:
      return FALSE;
    }

  for (i = 0; i < n / block; i++)
    unpack (in + i * bytes, values + i * block);

  return TRUE;
}

static void
pack_q8_0 (const float *x,
           guint8      *b)
{
  float largest = 0, d, inverse;
  guint i;

  for (i = 0; i < 32; i++)
    largest = fmaxf (largest, fabsf (x[i]));

  d = largest / 127;
  inverse = d != 0 ? 1 / d : 0;
  put_half (b, d);
  for (i = 0; i < 32; i++)
    {
      float q = roundf (x[i] * inverse);

      b[2 + i] = fabsf (q) <= 127 ? (guint8) (gint8) q : 0; /* 0 for what is not a number */
    }
}

static guint8
nibble (float value)
{
  /* Truncated, as ggml does: the half that makes it rounding was added by the caller. */
  if (!(value > 0)) /* also what is not a number */
    return 0;

  return value > 15 ? 15 : (guint8) value;
}

static void
pack_q4_0 (const float *x,
           guint8      *b)
{
  float extreme = 0, d, inverse;
  guint i;

  /* The value farthest from zero, with its sign, becomes -8. */
  for (i = 0; i < 32; i++)
    if (fabsf (x[i]) > fabsf (extreme))
      extreme = x[i];

  d = extreme / -8;
  inverse = d != 0 ? 1 / d : 0;
  put_half (b, d);
  for (i = 0; i < 16; i++)
    b[2 + i] = nibble (x[i] * inverse + 8.5f) | nibble (x[i + 16] * inverse + 8.5f) << 4;
}

static void
pack_q4_1 (const float *x,
           guint8      *b)
{
  float least = x[0], most = x[0], d, inverse;
  guint i;

  for (i = 1; i < 32; i++)
    {
      least = fminf (least, x[i]);
      most = fmaxf (most, x[i]);
    }

  d = (most - least) / 15;
  inverse = d != 0 ? 1 / d : 0;
  put_half (b, d);
  put_half (b + 2, least);
  for (i = 0; i < 16; i++)
    b[4 + i] = nibble ((x[i] - least) * inverse + 0.5f) | nibble ((x[i + 16] - least) * inverse + 0.5f) << 4;
}

static guint
level32 (float value)
{
  return !(value > 0) ? 0 : value > 31 ? 31 : (guint) value;
}

static void
pack_q5_0 (const float *x,
           guint8      *b)
{
  float extreme = 0, d, inverse;
  guint32 high = 0;
  guint i;

  for (i = 0; i < 32; i++)
    if (fabsf (x[i]) > fabsf (extreme))
      extreme = x[i];

  d = extreme / -16;
  inverse = d != 0 ? 1 / d : 0;
  put_half (b, d);
  for (i = 0; i < 16; i++)
    {
      guint low = level32 (x[i] * inverse + 16.5f), up = level32 (x[i + 16] * inverse + 16.5f);

      b[6 + i] = (low & 15) | (up & 15) << 4;
      high |= (guint32) (low >> 4) << i | (guint32) (up >> 4) << (i + 16);
    }
  for (i = 0; i < 4; i++)
    b[2 + i] = high >> 8 * i & 0xff;
}

DescryGgmlType
descry_ggml_fitting (DescryGgmlType type,
                     guint64        columns)
{
  if (type == DESCRY_GGML_Q4_K && columns % descry_ggml_block (type) != 0)
    return DESCRY_GGML_Q5_0;

  return type;
}

gboolean
descry_ggml_quantise (DescryGgmlType type,
                      const float   *values,
                      gsize          n,
                      gpointer       blocks)
{
  void (*pack) (const float *, guint8 *) = NULL;
  guint8 *out = blocks;
  guint block = descry_ggml_block (type), bytes = descry_ggml_block_bytes (type);
  gsize i;

  if (block == 0 || n % block != 0)
    return FALSE;

  switch (type)
    {
    case DESCRY_GGML_F32:
      memcpy (blocks, values, n * sizeof (float));
      return TRUE;
    case DESCRY_GGML_F16:
      for (i = 0; i < n; i++)
        put_half (out + i * 2, values[i]);
      return TRUE;
    case DESCRY_GGML_BF16:
      for (i = 0; i < n; i++)
        {
          guint16 bits = float_to_bfloat (values[i]);

          out[i * 2] = bits & 0xff;
          out[i * 2 + 1] = bits >> 8;
        }
      return TRUE;
    case DESCRY_GGML_Q8_0:
      pack = pack_q8_0;
      break;
    case DESCRY_GGML_Q4_0:
      pack = pack_q4_0;
      break;
    case DESCRY_GGML_Q4_1:
      pack = pack_q4_1;
      break;
    case DESCRY_GGML_Q5_0:
      pack = pack_q5_0;
      break;
    case DESCRY_GGML_Q4_K:
      pack = descry_quant_pack_q4_k;
      break;
    default:
      return FALSE;
    }

  for (i = 0; i < n / block; i++)
    pack (values + i * block, out + i * bytes);

  return TRUE;
}
