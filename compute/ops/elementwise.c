/* elementwise.c - element by element, copies, small reductions
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-ops"

#include "config.h"

#include "compute/ops/elementwise.h"

/* Elements an item of the cpu family takes: well above a launch's cost, well below a cache. */
#define CHUNK 4096
#define MAX_OPERANDS 3
#define MAX_ARGS 12
/* Parts of a row that argmax looks at side by side. */
#define ARGMAX_PART 2048

/* All operands have the rows and columns of the last one (the output); an operand of one row is
 * broadcast if @broadcast says so. */
static gboolean
check (DescryRun          *run,
       const char         *op,
       const DescryTensor *operands,
       guint               n,
       gboolean            broadcast)
{
  guint rows = descry_tensor_rows (operands[n - 1]), cols = descry_tensor_cols (operands[n - 1]);
  guint i;

  if (!descry_run_ok (run))
    return FALSE;

  for (i = 0; i < n; i++)
    {
      guint have = descry_tensor_rows (operands[i]);

      if (operands[i].buffer == NULL
          || descry_tensor_cols (operands[i]) != cols
          || (have != rows && !(broadcast && i + 2 == n && have == 1)))
        {
          descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: operand %u is %u×%u, the output %u×%u",
                           op, i, have, descry_tensor_cols (operands[i]), rows, cols);
          return FALSE;
        }
    }

  return TRUE;
}

/* Operands in the order of the kernel's arguments, then @extra, then the geometry. */
static void
launch (DescryRun          *run,
        const char         *name,
        const DescryTensor *operands,
        guint               n,
        const DescryArg    *extra)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint rows = descry_tensor_rows (operands[n - 1]), cols = descry_tensor_cols (operands[n - 1]);
  gboolean flat = (guint64) rows * cols < G_MAXINT32;
  guint row_chunk = 1, col_chunk = 1;
  DescryArg args[MAX_ARGS];
  gsize global[2], local[2] = { cpu ? 1 : 64, 1 };
  guint at = 0, i;

  g_return_if_fail (n <= MAX_OPERANDS);

  /* Without gaps everything is one long row. */
  for (i = 0; i < n; i++)
    flat = flat && operands[i].pitch == cols && descry_tensor_rows (operands[i]) == rows;
  if (flat)
    {
      cols *= rows;
      rows = 1;
    }
  if (cpu)
    {
      col_chunk = CHUNK;
      row_chunk = MAX (1, CHUNK / cols);
    }

  for (i = 0; i < n; i++)
    {
      args[at++] = DESCRY_T (operands[i]);
      args[at++] = DESCRY_U (descry_tensor_rows (operands[i]) == 1 ? 0 : operands[i].pitch);
    }
  if (extra != NULL)
    args[at++] = *extra;
  args[at++] = DESCRY_U (rows);
  args[at++] = DESCRY_U (cols);
  args[at++] = DESCRY_U (row_chunk);
  args[at++] = DESCRY_U (col_chunk);

  global[0] = (cols + (gsize) col_chunk - 1) / col_chunk;
  global[1] = (rows + (gsize) row_chunk - 1) / row_chunk;
  descry_run_launch (run, descry_run_kernel (run, name, NULL), 2, global, local, args, at);
}

static gboolean
want_f32 (DescryRun          *run,
          const char         *op,
          const DescryTensor *operands,
          guint               n)
{
  guint i;

  for (i = 0; i < n; i++)
    if (operands[i].type != DESCRY_F32)
      {
        descry_run_fail (run, DESCRY_ERROR_SHAPE, "%s: operand %u is not f32", op, i);
        return FALSE;
      }

  return TRUE;
}

void
op_copy (DescryRun   *run,
         DescryTensor y,
         DescryTensor x)
{
  DescryTensor operands[] = { x, y };
  const char *name = NULL;

  if (!check (run, "copy", operands, 2, FALSE))
    return;

  if (x.type == y.type)
    name = descry_type_size (x.type) == 4 ? "el_copy_words" : descry_type_size (x.type) == 2 ? "el_copy_halves" : "el_copy_bytes";
  else if (x.type == DESCRY_F32 && y.type == DESCRY_F16)
    name = "el_copy_float_half";
  else if (x.type == DESCRY_F16 && y.type == DESCRY_F32)
    name = "el_copy_half_float";
  else
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "copy: no conversion between types %d and %d", x.type, y.type);
      return;
    }

  launch (run, name, operands, 2, NULL);
}

void
op_fill (DescryRun   *run,
         DescryTensor y,
         float        value)
{
  if (!check (run, "fill", &y, 1, FALSE))
    return;
  if (y.type != DESCRY_F32 && y.type != DESCRY_F16)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "fill: the output is neither f32 nor f16");
      return;
    }

  launch (run, y.type == DESCRY_F32 ? "el_fill_float" : "el_fill_half", &y, 1, &DESCRY_FL (value));
}

void
op_activate (DescryRun       *run,
             DescryTensor     y,
             DescryTensor     x,
             DescryActivation act)
{
  DescryTensor operands[] = { x, y };

  if (check (run, "activate", operands, 2, FALSE) && want_f32 (run, "activate", operands, 2))
    launch (run, "el_activate", operands, 2, &DESCRY_U (act));
}

void
op_add (DescryRun       *run,
        DescryTensor     y,
        DescryTensor     a,
        DescryTensor     b,
        DescryActivation act)
{
  DescryTensor operands[] = { a, b, y };

  if (check (run, "add", operands, 3, TRUE) && want_f32 (run, "add", operands, 3))
    launch (run, "el_add", operands, 3, &DESCRY_U (act));
}

void
op_mul (DescryRun   *run,
        DescryTensor y,
        DescryTensor a,
        DescryTensor b)
{
  DescryTensor operands[] = { a, b, y };

  if (check (run, "mul", operands, 3, TRUE) && want_f32 (run, "mul", operands, 3))
    launch (run, "el_mul", operands, 3, NULL);
}

void
op_scale (DescryRun   *run,
          DescryTensor y,
          DescryTensor x,
          float        scale)
{
  DescryTensor operands[] = { x, y };

  if (check (run, "scale", operands, 2, FALSE) && want_f32 (run, "scale", operands, 2))
    launch (run, "el_scale", operands, 2, &DESCRY_FL (scale));
}

void
op_swiglu (DescryRun   *run,
           DescryTensor y,
           DescryTensor gate,
           DescryTensor up)
{
  DescryTensor operands[] = { gate, up, y };

  if (check (run, "swiglu", operands, 3, FALSE) && want_f32 (run, "swiglu", operands, 3))
    launch (run, "el_swiglu", operands, 3, NULL);
}

void
op_argmax (DescryRun   *run,
           DescryTensor index,
           DescryTensor x)
{
  gboolean cpu = descry_device_family (descry_run_device (run)) == DESCRY_FAMILY_CPU;
  guint rows = descry_tensor_rows (x), cols = descry_tensor_cols (x);
  guint parts = MAX (1, (cols + ARGMAX_PART - 1) / ARGMAX_PART);
  gsize local[2] = { cpu ? 1 : 64, 1 };
  DescryTensor best, at;

  if (!descry_run_ok (run))
    return;
  if (x.type != DESCRY_F32 || index.type != DESCRY_I32 || descry_tensor_count (index) != rows || cols == 0 || rows == 0)
    {
      descry_run_fail (run, DESCRY_ERROR_SHAPE, "argmax: %u rows of %u columns into %" G_GSIZE_FORMAT " numbers", rows, cols, descry_tensor_count (index));
      return;
    }

  best = descry_run_tensor2 (run, rows, parts);
  at = descry_run_tensor (run, DESCRY_I32, 2, (guint[]) { rows, parts });
  descry_run_launch (run, descry_run_kernel (run, "el_argmax_part", NULL), 2, (gsize[]) { parts, rows }, local,
                     (DescryArg[]) { DESCRY_T (x), DESCRY_U (x.pitch), DESCRY_T (best), DESCRY_T (at), DESCRY_U (rows), DESCRY_U (cols), DESCRY_U (parts) }, 7);
  descry_run_launch (run, descry_run_kernel (run, "el_argmax_whole", NULL), 1, (gsize[]) { rows }, local,
                     (DescryArg[]) { DESCRY_T (best), DESCRY_T (at), DESCRY_T (index), DESCRY_U (descry_tensor_step (index)), DESCRY_U (rows), DESCRY_U (parts) }, 6);
  descry_run_release (run, &best);
  descry_run_release (run, &at);
}
