/* gemm-probe.c - may this device run the integer kernels?
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/gemm-private.h"

#include <string.h>

#include "compute/device/device-private.h"

#define COLUMNS 64
#define BLOCK 34 /* bytes of Q8_0: a half, 32 signed bytes */

/* The kernels hold an instruction that an older processor would die of. */
static gboolean
processor_has_it (DescryDevice *device)
{
#if defined (__x86_64__) && defined (__GNUC__)
  return (device->info->type & CL_DEVICE_TYPE_CPU) != 0 && device->info->unified && __builtin_cpu_supports ("avx512vnni") && __builtin_cpu_supports ("avx512bw");
#else
  return FALSE;
#endif
}

static gint8
weight_at (guint row,
           guint column)
{
  return (gint8) ((row * 37 + column * 101) % 255 - 127);
}

static float
x_at (guint column)
{
  /* Both signs, and one that uses all 16 bits. */
  return column == 5 ? 32512.0f : (float) ((int) (column * 977 % 4001) - 2000);
}

/* Whole numbers all the way, so that the answer has one right value. */
static gboolean
multiplies_rightly (DescryDevice  *device,
                    GError       **error)
{
  g_autoptr (DescryRun) run = descry_run_new (device, NULL);
  g_autoptr (DescryWeight) weight = NULL;
  guint8 blocks[DESCRY_PANEL * COLUMNS / 32 * BLOCK];
  const guint16 one = descry_float_to_half (1.0f);
  float x[COLUMNS], found[DESCRY_PANEL] = { 0 };
  DescryTensor a, c;
  guint row, column;

  for (row = 0; row < DESCRY_PANEL; row++)
    for (column = 0; column < COLUMNS; column++)
      {
        guint8 *block = blocks + (row * COLUMNS / 32 + column / 32) * BLOCK;

        memcpy (block, &one, 2);
        block[2 + column % 32] = (guint8) weight_at (row, column);
        x[column] = x_at (column);
      }
  /* The largest of each block is its scale times 32512. */
  x[40] = -32512.0f;

  weight = descry_weight_new (device, "probe", DESCRY_GGML_Q8_0, DESCRY_PANEL, COLUMNS, blocks, error);
  if (weight == NULL)
    return FALSE;
  a = descry_run_tensor2 (run, 1, COLUMNS);
  c = descry_run_tensor2 (run, 1, DESCRY_PANEL);
  descry_run_write (run, a, x, COLUMNS);
  op_gemm (run, c, a, weight, NULL);
  descry_run_read (run, c, found, DESCRY_PANEL);
  if (!descry_run_finish (run, error))
    return FALSE;

  for (row = 0; row < DESCRY_PANEL; row++)
    {
      gint64 expected = 0;

      for (column = 0; column < COLUMNS; column++)
        expected += weight_at (row, column) * (gint64) x[column];
      if (found[row] != (float) expected)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "row %u is %g, expected %" G_GINT64_FORMAT, row, (double) found[row], expected);
          return FALSE;
        }
    }

  return TRUE;
}

gboolean
descry_gemm_probe_dot (DescryDevice *device)
{
  g_autoptr (GError) error = NULL;
  gboolean usable;

  if (!processor_has_it (device) || descry_device_kernel (device, "gemv_q8_0_dot", NULL, NULL) == NULL)
    return FALSE;

  device->dot_product = 1;
  usable = multiplies_rightly (device, &error);
  if (!usable)
    g_message ("%s: the integer kernels are switched off: %s", device->info->name, error->message);

  return usable;
}
