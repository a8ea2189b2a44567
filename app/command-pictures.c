/* command-pictures.c - `descry pictures`: sets of training pictures, with what the frozen networks say about them
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "app/cli.h"
#include "app/commands.h"
#include "app/judge-pictures.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "compute/ops/provider.h"
#include "compute/train/annotations.h"
#include "compute/train/features.h"
#include "compute/train/synthetic/composer.h"
#include "compute/train/synthetic/questions.h"

typedef struct
{
  char    *data, *stock, *output, *bundle, *device, *save, *folder, *judge, *model, *connector, *adapter, *trained;
  char   **annotations; /* KIND:FILE, in order */
  int      train, validation, test, seed, first;
  gboolean refuse, detect, show_wrong, clip_art, ask, every_split;
} Options;

typedef struct
{
  Options             *options;
  GCancellable        *cancellable;
  DescryDevice        *device;
  DescryPipeline      *pipeline;
  DescryPictureFeatures      *features;
  DescryPictureWriter *writer;
  guint                done, all;
  gint64               start;
} Work;

static gboolean
stop_cb (gpointer data)
{
  g_cancellable_cancel (data);
  return G_SOURCE_CONTINUE;
}

static gboolean
open_work (Work    *work,
           GError **error)
{
  g_autoptr (DescryBundle) bundle = descry_bundle_open (work->options->bundle, error);

  if (bundle == NULL)
    return FALSE;
  work->device = descry_device_open (work->options->device, DESCRY_FAMILY_AUTO, error);
  if (work->device == NULL)
    return FALSE;
  descry_ops_set_fast (work->device, TRUE);
  work->pipeline = descry_pipeline_new (work->device, g_steal_pointer (&bundle), NULL, NULL);
  work->features = descry_picture_features_new (work->pipeline, work->cancellable, error);
  if (work->features == NULL)
    return FALSE;
  work->writer = descry_picture_writer_new (work->options->output, descry_picture_features_channels (work->features), descry_picture_features_row_width (work->features), error);
  work->start = g_get_monotonic_time ();

  return work->writer != NULL;
}

static void
close_work (Work *work)
{
  g_clear_pointer (&work->writer, descry_picture_writer_free);
  g_clear_pointer (&work->features, descry_picture_features_free);
  g_clear_pointer (&work->pipeline, descry_pipeline_free);
  g_clear_pointer (&work->device, descry_device_free);
  g_clear_object (&work->cancellable);
}

static void
tell (Work *work)
{
  gboolean terminal = isatty (STDERR_FILENO);
  double seconds = (double) (g_get_monotonic_time () - work->start) / 1e6;

  if (terminal || work->done % 100 == 0 || work->done == work->all)
    g_printerr (_("%s%u of %u pictures, %.1f a second, %.0f s left%s"), terminal ? "\r" : "", work->done, work->all, work->done / seconds,
                seconds / work->done * (work->all - work->done), terminal && work->done < work->all ? "   " : "\n");
}

static gboolean
add_picture (Work          *work,
             DescryImage   *image,
             DescryPicture *picture,
             GError       **error)
{
  if (!descry_picture_features_add (work->features, work->writer, image, picture, work->cancellable, error))
    return FALSE;
  work->done++;
  tell (work);
  g_main_context_iteration (NULL, FALSE); /* lets the interrupt in */

  return !g_cancellable_set_error_if_cancelled (work->cancellable, error);
}

static gboolean
save_picture (Work          *work,
              DescryImage   *image,
              DescryPicture *picture,
              GError       **error)
{
  g_autofree char *file = g_strconcat (picture->name, ".png", NULL), *path = NULL;

  if (work->options->save == NULL)
    return TRUE;
  path = g_build_filename (work->options->save, file, NULL);
  return descry_image_save_png (image, path, error);
}

static gboolean
make_synthetic (Work    *work,
                GError **error)
{
  const int counts[] = { work->options->train, work->options->validation, work->options->test };
  g_autoptr (DescryStock) stock = descry_stock_load (work->options->stock, work->options->clip_art, work->cancellable, error);
  int split, i;

  if (stock == NULL)
    return FALSE;
  if (stock->missing > 0)
    g_printerr (_("%u of the pictures that scenes are made of are missing below %s\n"), stock->missing, work->options->stock);
  work->all = (guint) (counts[0] + counts[1] + counts[2]);
  work->start = g_get_monotonic_time ();
  for (split = 0; split < 3; split++)
    for (i = 0; i < counts[split]; i++)
      {
        g_autoptr (DescryImage) image = NULL;
        g_autoptr (DescryPicture) picture = descry_compose (stock, (DescrySplit) split, (guint64) work->options->seed, (guint64) i, &image, error);

        if (picture == NULL || !save_picture (work, image, picture, error) || !add_picture (work, image, picture, error))
          return FALSE;
      }

  return TRUE;
}

static void
tell_problem (const char *message,
              gpointer    data)
{
  guint *told = data;

  /* A file of the wrong kind has as many problems as records. */
  if ((*told)++ < 20)
    g_printerr (_("%s; skipped\n"), message);
}

static gboolean
read_annotations (Options           *options,
                  DescryAnnotations *annotations,
                  GError           **error)
{
  guint i;

  for (i = 0; options->annotations[i] != NULL; i++)
    {
      const char *colon = strchr (options->annotations[i], ':');
      g_autofree char *name = g_strndup (options->annotations[i], colon != NULL ? (gsize) (colon - options->annotations[i]) : 0);
      DescryAnnotationKind kind;

      if (!descry_annotation_kind_parse (name, &kind))
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, _("%s: expected KIND:FILE with coco, refcoco, vg, llava or lines"), options->annotations[i]);
          return FALSE;
        }
      if (!descry_annotations_add (annotations, kind, colon + 1, error))
        return FALSE;
    }

  return TRUE;
}

/* The questions that the composer asks, as far as the labels answer them: what an object without one is called is not known. */
static void
ask_about_labels (Work          *work,
                  DescryPicture *picture,
                  guint          index,
                  const GArray  *labelled) /* empty: all */
{
  guint i;

  descry_picture_ask (picture, (guint64) work->options->seed, index);
  for (i = picture->questions->len; i-- > 0;)
    {
      const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, i);

      if (strcmp (question->kind, "noun") == 0 && question->pointed[0] < labelled->len && !g_array_index (labelled, gboolean, question->pointed[0]))
        g_ptr_array_remove_index (picture->questions, i);
    }
}

/* A picture that cannot be read is a bad record too. */
static gboolean
add_annotated (Work          *work,
               DescryPicture *picture,
               guint          index,
               GError       **error)
{
  g_autoptr (GArray) labelled = g_array_new (FALSE, FALSE, sizeof (gboolean));
  g_autofree char *path = g_build_filename (work->options->folder, picture->name, NULL);
  g_autoptr (GError) failure = NULL;
  g_autoptr (DescryImage) image = descry_image_load (path, work->cancellable, &failure);

  if (image == NULL && !work->options->refuse && g_error_matches (failure, DESCRY_ERROR, DESCRY_ERROR_DECODE))
    {
      g_printerr (_("%s; skipped\n"), failure->message);
      work->all--;
      return TRUE;
    }
  if (image == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }
  descry_annotations_fit (picture, image->width, image->height);
  if (work->options->detect && !descry_picture_features_detect (work->features, image, picture, labelled, work->cancellable, error))
    return FALSE;
  if (work->options->ask)
    ask_about_labels (work, picture, index, labelled);

  return add_picture (work, image, picture, error);
}

static gboolean
make_annotated (Work    *work,
                GError **error)
{
  guint told = 0, i;
  g_autoptr (DescryAnnotations) annotations = descry_annotations_new (work->options->refuse, tell_problem, &told);
  GPtrArray *pictures;

  if (!read_annotations (work->options, annotations, error))
    return FALSE;
  pictures = descry_annotations_pictures (annotations);
  if (descry_annotations_skipped (annotations) > 0)
    g_printerr (_("%u records were skipped\n"), descry_annotations_skipped (annotations));
  work->all = pictures->len;
  for (i = 0; i < pictures->len; i++)
    if (!add_annotated (work, g_ptr_array_index (pictures, i), i, error))
      return FALSE;

  return TRUE;
}

static gboolean
check_options (Options  *options,
               GError  **error)
{
  const char *problem = NULL;

  if (options->judge != NULL)
    problem = options->model == NULL ? _("--judge needs --model FILE.gguf: the language model") : options->first < 1 ? _("--first takes a number from 1 on") : NULL;
  else if (g_strcmp0 (options->data, "synthetic") != 0 && g_strcmp0 (options->data, "annotated") != 0)
    problem = _("--data takes “synthetic” or “annotated”");
  else if (*options->data == 'a' && (options->annotations == NULL || options->folder == NULL))
    problem = _("annotated pictures need --annotations KIND:FILE and --folder FOLDER");
  else if (*options->data == 's' && options->stock == NULL)
    problem = _("--stock FOLDER is needed: the unpacked packages that scenes are made of (./dev pictures fetches them)");
  else if (options->output == NULL)
    problem = _("-o FILE is needed: where the set goes");
  else if (options->train < 0 || options->validation < 0 || options->test < 0 || (gint64) options->train + options->validation + options->test > 1000000)
    problem = _("a number of pictures is out of its range");
  if (problem != NULL)
    g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_USAGE, problem);

  return problem == NULL;
}

static gboolean
judge (Work    *work,
       GError **error)
{
  const Options *options = work->options;
  const DescryJudgeOptions judged = { options->judge, options->model, options->connector, options->adapter, options->trained, (guint) options->first,
                                      options->show_wrong, options->every_split };

  work->device = descry_device_open (options->device, DESCRY_FAMILY_AUTO, error);
  if (work->device == NULL)
    return FALSE;
  descry_ops_set_fast (work->device, TRUE);
  return descry_judge_pictures (work->device, &judged, work->cancellable, error);
}

int
descry_command_pictures (int    argc,
                         char **argv)
{
  Options options = { .train = 3000, .validation = 200, .test = 400, .first = 100 };
  const GOptionEntry entries[] = {
    { "data", 0, 0, G_OPTION_ARG_STRING, &options.data, N_("synthetic or annotated"), N_("DATA") },
    { "stock", 0, 0, G_OPTION_ARG_FILENAME, &options.stock, N_("What synthetic pictures are made of: unpacked packages"), N_("FOLDER") },
    { "clip-art", 0, 0, G_OPTION_ARG_NONE, &options.clip_art, N_("Synthetic pictures show drawings and emoji as well"), NULL },
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output, N_("Where the set goes; its features are kept beside it"), N_("FILE") },
    { "train", 0, 0, G_OPTION_ARG_INT, &options.train, N_("Pictures to train on (3000)"), N_("N") },
    { "validation", 0, 0, G_OPTION_ARG_INT, &options.validation, N_("Pictures to watch the training with (200)"), N_("N") },
    { "test", 0, 0, G_OPTION_ARG_INT, &options.test, N_("Pictures to judge with (400)"), N_("N") },
    { "seed", 0, 0, G_OPTION_ARG_INT, &options.seed, N_("Seed of the composer (0)"), N_("N") },
    { "annotations", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.annotations, N_("Annotations: coco, refcoco, vg, llava or lines, and the file; may be given again"), N_("KIND:FILE") },
    { "folder", 0, 0, G_OPTION_ARG_FILENAME, &options.folder, N_("The folder of the annotated pictures"), N_("FOLDER") },
    { "refuse", 0, 0, G_OPTION_ARG_NONE, &options.refuse, N_("Stop at the first bad record instead of skipping it"), NULL },
    { "detect", 0, 0, G_OPTION_ARG_NONE, &options.detect, N_("Take the detector's objects instead of the annotated ones; labels of those that lie on one another stay"), NULL },
    { "ask", 0, 0, G_OPTION_ARG_NONE, &options.ask, N_("Ask about annotated objects what is asked about composed ones: colours, names, the place, what the text answers"), NULL },
    { "save-pictures", 0, 0, G_OPTION_ARG_FILENAME, &options.save, N_("Keep the composed pictures in FOLDER, to look at"), N_("FOLDER") },
    { "judge", 0, 0, G_OPTION_ARG_FILENAME, &options.judge, N_("Instead: ask about the test pictures of the set FILE, with and without the connector"), N_("FILE") },
    { "model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, N_("The language model that is judged"), N_("FILE") },
    { "connector", 0, 0, G_OPTION_ARG_FILENAME, &options.connector, N_("The connector that is judged"), N_("FILE") },
    { "adapter", 0, 0, G_OPTION_ARG_FILENAME, &options.adapter, N_("The language model's adapters"), N_("FILE") },
    { "trained", 0, 0, G_OPTION_ARG_FILENAME, &options.trained, N_("The set that the connector was trained with: which nouns it knows (the judged one)"), N_("FILE") },
    { "every-split", 0, 0, G_OPTION_ARG_NONE, &options.every_split, N_("Judge with all pictures of a set that nothing was trained with, not those of the test alone"), NULL },
    { "first", 0, 0, G_OPTION_ARG_INT, &options.first, N_("So many test pictures (100)"), N_("N") },
    { "show-wrong", 0, 0, G_OPTION_ARG_NONE, &options.show_wrong, N_("Print each wrong answer"), NULL },
    { "bundle", 'b', 0, G_OPTION_ARG_FILENAME, &options.bundle, N_("The bundle whose networks make the features"), N_("NAME") },
    { "device", 'd', 0, G_OPTION_ARG_STRING, &options.device, N_("The OpenCL device"), N_("DEVICE") },
    G_OPTION_ENTRY_NULL
  };
  Work work = { .options = &options };
  g_autoptr (GError) error = NULL;
  int status = DESCRY_EXIT_DONE;
  guint source;

  if (!descry_cli_options ("pictures --data DATA -o FILE [OPTION…]", _("Makes a set of training pictures: the frozen networks run once, their features are kept."), entries, &argc, &argv, &status))
    return status;
  if (!check_options (&options, &error))
    {
      g_printerr ("descry: %s\n", error->message);
      return DESCRY_EXIT_USAGE;
    }

  work.cancellable = g_cancellable_new ();
  source = g_unix_signal_add (SIGINT, stop_cb, work.cancellable);
  if (options.judge != NULL ? !judge (&work, &error)
                            : !open_work (&work, &error) || !(*options.data == 's' ? make_synthetic : make_annotated) (&work, &error)
                                || !descry_picture_writer_commit (work.writer, &error))
    {
      g_printerr ("descry: %s\n", error->message);
      status = DESCRY_EXIT_FAILED;
    }
  else if (options.judge == NULL)
    g_printerr (_("Wrote %s\n"), options.output);
  g_source_remove (source);
  close_work (&work);

  return status;
}
