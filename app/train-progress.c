/* train-progress.c - log and progress of a training
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/train-session.h"

#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <unistd.h>

#include "app/loss-picture.h"

static void
write_line (FILE   *log,
            json_t *line)
{
  char *text = json_dumps (line, JSON_COMPACT | JSON_REAL_PRECISION (6));

  if (text != NULL)
    fprintf (log, "%s\n", text);
  fflush (log);
  free (text);
}

void
descry_train_progress_open (DescryTrainProgress *progress,
                            DescryTrainOptions  *options,
                            guint                step)
{
  *progress = (DescryTrainProgress) { .options = options, .terminal = isatty (STDERR_FILENO), .first = step, .start = g_get_monotonic_time () };
  if (options->log != NULL)
    progress->log = g_fopen (options->log, step > 0 ? "a" : "w");
  if (step > 0)
    g_printerr (_("Resumed after step %u\n"), step);
}

void
descry_train_progress_close (DescryTrainProgress *progress)
{
  g_clear_pointer (&progress->log, fclose);
}

void
descry_train_progress_step (DescryTrainProgress *progress,
                            guint                step,
                            const char *const   *names,
                            const double        *losses,
                            guint                n,
                            double               norm,
                            double               rate,
                            guint                tokens)
{
  const guint steps = (guint) progress->options->steps;
  double seconds = (double) (g_get_monotonic_time () - progress->start) / 1e6;
  guint i;

  progress->tokens += tokens;
  if (progress->log != NULL)
    {
      json_t *line = json_pack ("{s:i}", "step", (int) step);

      for (i = 0; i < n; i++)
        json_object_set_new (line, names[i], json_real (losses[i]));
      json_object_set_new (line, "norm", json_real (norm));
      json_object_set_new (line, "rate", json_real (rate));
      write_line (progress->log, line);
      json_decref (line);
    }
  if (progress->terminal || step % 10 == 0)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      for (i = 0; i < n; i++)
        g_string_append_printf (text, "  %s %.4f", names[i], losses[i]);
      g_printerr (_("%sstep %u/%u%s  norm %.2f  %.0f tokens/s  %.0f s left%s"), progress->terminal ? "\r" : "", step, steps, text->str, norm,
                  progress->tokens / MAX (seconds, 1e-3), seconds / MAX (step - progress->first, 1) * (steps - step), progress->terminal ? "   " : "\n");
    }
}

gboolean
descry_train_progress_held (DescryTrainProgress *progress,
                            guint                step,
                            const char *const   *names,
                            const double        *values,
                            guint                n,
                            GError             **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint i;

  for (i = 1; i < n; i++)
    g_string_append_printf (text, "  %s %.4f", names[i], values[i]);
  g_printerr (_("%sstep %u: held-out loss %.4f%s\n"), progress->terminal ? "\n" : "", step, values[0], text->str);
  if (progress->log != NULL)
    {
      json_t *line = json_pack ("{s:i}", "step", (int) step);

      for (i = 0; i < n; i++)
        json_object_set_new (line, names[i], json_real (values[i]));
      write_line (progress->log, line);
      json_decref (line);
    }
  return progress->options->plot == NULL || descry_loss_picture (progress->options->log, progress->options->plot, error);
}
