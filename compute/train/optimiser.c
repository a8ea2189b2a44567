/* optimiser.c - AdamW over all trained numbers, with clipping, a schedule, and checkpoints
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/optimiser.h"

#include <math.h>
#include <string.h>

#include "compute/files/gguf.h"
#include "compute/memory.h"

#define PIECES 64 /* of the sum of squares */

float
descry_schedule_rate (const DescrySchedule *schedule,
                      guint                 step)
{
  double progress;

  if (step <= schedule->warm_up)
    return schedule->rate * (float) step / (float) schedule->warm_up;

  progress = (double) (step - schedule->warm_up) / MAX (schedule->steps - schedule->warm_up, 1);
  return (float) (schedule->rate * 0.5 * (1.0 + cos (G_PI * MIN (progress, 1.0))));
}

static void
step_range (DescryRun            *run,
            DescryParameters     *parameters,
            const DescrySchedule *schedule,
            guint                 step,
            guint                 first,
            guint                 n,
            float                 decay,
            float                 scale)
{
  if (n > 0)
    op_adamw (run, descry_tensor_columns (parameters->values, first, n), descry_tensor_columns (parameters->gradients, first, n),
              descry_tensor_columns (parameters->m, first, n), descry_tensor_columns (parameters->v, first, n), descry_schedule_rate (schedule, step),
              schedule->beta1, schedule->beta2, schedule->eps, decay, scale, step);
}

gboolean
descry_optimiser_step (DescryParameters     *parameters,
                       const DescrySchedule *schedule,
                       guint                 step,
                       double               *norm,
                       GError              **error)
{
  g_autoptr (DescryRun) run = descry_run_new (parameters->device, NULL);
  DescryTensor parts = descry_run_tensor2 (run, 1, PIECES);
  float squares[PIECES] = { 0 };
  double sum = 0.0;
  float scale;
  guint i;

  op_squares (run, parts, parameters->gradients);
  descry_run_read (run, parts, squares, PIECES);
  if (!descry_run_finish (run, error))
    return FALSE;
  for (i = 0; i < PIECES; i++)
    sum += squares[i];
  *norm = sqrt (sum);
  if (!isfinite (*norm))
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "The gradient of step %u is not finite", step);
      return FALSE;
    }

  scale = schedule->clip > 0.0f && *norm > schedule->clip ? schedule->clip / (float) (*norm + 1e-6) : 1.0f; /* torch's clip_grad_norm_ */
  step_range (run, parameters, schedule, step, 0, parameters->decaying, schedule->decay, scale);
  step_range (run, parameters, schedule, step, parameters->decaying, parameters->n - parameters->decaying, 0.0f, scale);
  return descry_run_finish (run, error);
}

/* The three tensors of a set; the first set's have no number: files of one set stay as they were. */
static const char *const kept[] = { "values", "m", "v" };

static DescryTensor
kept_tensor (const DescryParameters *set,
             guint                   which)
{
  return which == 0 ? set->values : which == 1 ? set->m : set->v;
}

static char *
kept_name (guint set,
           guint which)
{
  return set == 0 ? g_strdup (kept[which]) : g_strdup_printf ("%s.%u", kept[which], set);
}

gboolean
descry_checkpoint_save (DescryParameters *const *sets,
                        guint                    n,
                        const DescryCheckpoint  *at,
                        const char              *what,
                        const char              *path,
                        GError                 **error)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (DescryRun) run = descry_run_new (sets[0]->device, NULL);
  guint s, i;

  descry_gguf_writer_set_string (writer, "general.architecture", "descry-checkpoint");
  descry_gguf_writer_set_string (writer, "checkpoint.of", what);
  descry_gguf_writer_set_uint (writer, "checkpoint.step", at->step);
  descry_gguf_writer_set_float (writer, "checkpoint.best", (float) at->best);
  for (s = 0; s < n; s++)
    for (i = 0; i < G_N_ELEMENTS (kept); i++)
      {
        g_autofree char *name = kept_name (s, i);
        float *values = descry_try_alloc (sets[s]->n, sizeof (float));

        if (values == NULL)
          {
            g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: no memory for %u numbers", path, sets[s]->n);
            return FALSE;
          }
        descry_run_read (run, kept_tensor (sets[s], i), values, sets[s]->n);
        descry_gguf_writer_add (writer, name, DESCRY_GGML_F32, 1, (const guint64[]) { sets[s]->n }, values, (gsize) sets[s]->n * sizeof (float));
      }
  if (!descry_run_finish (run, error))
    return FALSE;

  return descry_gguf_writer_write (writer, path, error);
}

gboolean
descry_checkpoint_load (DescryParameters *const *sets,
                        guint                    n,
                        DescryCheckpoint        *at,
                        const char              *what,
                        const char              *path,
                        GError                 **error)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  g_autoptr (DescryRun) run = descry_run_new (sets[0]->device, NULL);
  const char *of;
  guint64 number;
  float best;
  guint s, i;

  if (gguf == NULL)
    return FALSE;
  of = descry_gguf_get_string (gguf, "checkpoint.of", error);
  if (of == NULL || !descry_gguf_get_uint (gguf, "checkpoint.step", 0, G_MAXINT32, &number, error)
      || !descry_gguf_get_float (gguf, "checkpoint.best", 0.0, G_MAXFLOAT, &best, error))
    return FALSE;
  if (strcmp (of, what) != 0)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: a checkpoint of “%s”, expected one of “%s”", path, of, what);
      return FALSE;
    }
  for (s = 0; s < n; s++)
    for (i = 0; i < G_N_ELEMENTS (kept); i++)
      {
        g_autofree char *name = kept_name (s, i);
        const DescryGgufTensor *tensor = descry_gguf_want (gguf, name, 1, (const guint64[]) { sets[s]->n }, error);
        float *values = tensor != NULL ? descry_gguf_read_f32 (gguf, tensor, error) : NULL;

        if (values == NULL)
          return FALSE;
        descry_run_write (run, kept_tensor (sets[s], i), values, sets[s]->n);
        descry_free (values);
      }
  *at = (DescryCheckpoint) { .step = (guint) number, .best = best };

  return descry_run_finish (run, error);
}
