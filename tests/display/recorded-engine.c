/* recorded-engine.c - an engine that replays: a scene step by step, an answer word by word
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/display/recorded-engine.h"

#include <math.h>
#include <string.h>

#include "compute/lyrics/linker.h"

struct _RecordedEngine
{
  DescryEngine parent_instance;

  DescryScene *scene;
  char        *answer;
  int          pace; /* ms a step; atomic */

  GMutex       lock; /* the rest */
  GMutex       turn; /* one job at a time */
  GError      *failure;
  guint        counts[DESCRY_JOB_POINTS + 1];
  guint        pointing, crowd; /* points jobs that are there; the most of them so far */
  GCancellable *caller; /* of the newest job, or NULL */
  char        *question;
  DescryAskOptions options;
  guint        idle; /* seconds, as told */
  guint        left_out; /* turns, of the next answer */
  GArray      *chips;
  GString     *told; /* ids, or NULL */
};

G_DEFINE_FINAL_TYPE (RecordedEngine, recorded_engine, DESCRY_TYPE_ENGINE)

typedef struct
{
  RecordedEngine *self;
  DescryJob      *job;
} Work;

static gint64
get_pace (RecordedEngine *self)
{
  return g_atomic_int_get (&self->pace);
}

/* FALSE when the job was cancelled meanwhile. */
static gboolean
pause_step (Work *work)
{
  GCancellable *cancellable = g_task_get_cancellable (work->job->task);
  gint64 begin = g_get_monotonic_time ();

  while (!g_cancellable_is_cancelled (cancellable) && g_get_monotonic_time () - begin < get_pace (work->self) * G_TIME_SPAN_MILLISECOND)
    g_usleep ((gulong) MIN (get_pace (work->self), 10) * 1000);

  return !g_cancellable_is_cancelled (cancellable);
}

static void
return_cancelled (Work *work)
{
  g_task_return_new_error (work->job->task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
}

static void
replay_analysis (Work *work)
{
  DescryEngine *engine = DESCRY_ENGINE (work->self);
  g_autoptr (DescryScene) scene = descry_scene_copy (work->self->scene);
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      g_clear_pointer (&object->mask, descry_mask_unref);
    }
  descry_engine_emit_stage (engine, work->job->caller, "detector", -1, NULL);
  if (!pause_step (work))
    {
      return_cancelled (work);
      return;
    }
  descry_engine_emit_scene (engine, work->job->caller, scene);

  for (i = 0; i < work->self->scene->objects->len; i++)
    {
      const DescryObject *source = g_ptr_array_index (work->self->scene->objects, i);
      DescryScene *next = descry_scene_copy (scene);
      DescryObject *object = g_ptr_array_index (next->objects, i);

      if (source->mask != NULL)
        object->mask = descry_mask_ref (source->mask);
      descry_scene_unref (scene);
      scene = next;
      descry_engine_emit_stage (engine, work->job->caller, "segmenter", (i + 1.0) / scene->objects->len, object->name);
      descry_engine_emit_scene (engine, work->job->caller, scene);
      if (!pause_step (work))
        {
          return_cancelled (work);
          return;
        }
    }

  descry_engine_emit_stage (engine, work->job->caller, "ready", 1, NULL);
  g_task_return_pointer (work->job->task, g_steal_pointer (&scene), (GDestroyNotify) descry_scene_unref);
}

static void
replay_segment (Work *work)
{
  g_autoptr (DescryScene) scene = descry_scene_copy (work->job->scene);
  DescryObject *object = g_new0 (DescryObject, 1);
  DescryBox box = work->job->box;
  guint i;

  for (i = 0; i < scene->objects->len; i++)
    object->id = MAX (object->id, ((DescryObject *) g_ptr_array_index (scene->objects, i))->id);
  object->id++;
  object->name = g_strdup ("region");
  object->score = 0.99f;
  object->source = box.x0 == box.x1 ? DESCRY_SOURCE_CLICK : DESCRY_SOURCE_DRAG;
  if (box.x0 == box.x1)
    box = (DescryBox) { MAX (box.x0 - 40, 0), MAX (box.y0 - 40, 0), MIN (box.x0 + 40, scene->width), MIN (box.y0 + 40, scene->height) };
  object->box = box;
  {
    guint width = (guint) (box.x1 - box.x0);
    guint height = (guint) (box.y1 - box.y0);
    g_autofree guint8 *bits = g_malloc ((gsize) width * height);

    memset (bits, 1, (gsize) width * height);
    object->mask = descry_mask_new (scene->width, scene->height, (guint) box.x0, (guint) box.y0, width, height, bits, NULL);
  }
  g_ptr_array_add (scene->objects, object);

  descry_engine_emit_stage (DESCRY_ENGINE (work->self), work->job->caller, "segmenter", -1, NULL);
  if (!pause_step (work))
    return_cancelled (work);
  else
    g_task_return_pointer (work->job->task, g_steal_pointer (&scene), (GDestroyNotify) descry_scene_unref);
}

static void
replay_mask (Work *work)
{
  g_autoptr (DescryScene) scene = descry_scene_copy (work->job->scene);
  DescryObject *object = descry_scene_find (scene, work->job->object);
  DescryObject *source = descry_scene_find (work->self->scene, work->job->object);

  if (object != NULL && object->mask == NULL && source != NULL && source->mask != NULL)
    object->mask = descry_mask_ref (source->mask);
  g_task_return_pointer (work->job->task, g_steal_pointer (&scene), (GDestroyNotify) descry_scene_unref);
}

static void
replay_points (Work *work)
{
  g_autoptr (DescryScene) scene = descry_scene_copy (work->job->scene);
  const GArray *points = work->job->points;
  static const double factors[] = { 1.0, 0.5, 2.0 };
  double radius = scene->height * 0.1 * factors[work->job->candidate % G_N_ELEMENTS (factors)];
  g_autofree guint8 *bits = g_malloc0 ((gsize) scene->width * scene->height);
  DescryObject *object = work->job->object != 0 ? descry_scene_find (scene, work->job->object) : NULL;
  gboolean stopped;
  guint i, x, y;

  for (i = 0; i < points->len; i++)
    {
      const DescryPoint *point = &g_array_index (points, DescryPoint, i);

      for (y = 0; y < scene->height; y++)
        for (x = 0; x < scene->width; x++)
          if ((x - point->x) * (x - point->x) + (y - point->y) * (y - point->y) <= radius * radius)
            bits[(gsize) y * scene->width + x] = !point->outside;
    }
  if (object == NULL)
    {
      object = g_new0 (DescryObject, 1);
      for (i = 0; i < scene->objects->len; i++)
        object->id = MAX (object->id, ((DescryObject *) g_ptr_array_index (scene->objects, i))->id);
      object->id++;
      object->name = g_strdup ("region");
      object->score = 1.0f;
      object->source = DESCRY_SOURCE_CLICK;
      g_ptr_array_add (scene->objects, object);
    }
  g_clear_pointer (&object->mask, descry_mask_unref);
  object->mask = descry_mask_new (scene->width, scene->height, 0, 0, scene->width, scene->height, bits, NULL);
  object->box = (DescryBox) { object->mask->x0, object->mask->y0, object->mask->x1, object->mask->y1 };

  stopped = !pause_step (work);
  /* Before anybody can know that the work is done. */
  g_mutex_lock (&work->self->lock);
  work->self->pointing--;
  g_mutex_unlock (&work->self->lock);
  if (stopped)
    return_cancelled (work);
  else
    g_task_return_pointer (work->job->task, g_steal_pointer (&scene), (GDestroyNotify) descry_scene_unref);
}

static void
replay_answer (Work *work)
{
  DescryEngine *engine = DESCRY_ENGINE (work->self);
  DescryTurn *turn = descry_turn_new (work->job->question);
  g_autoptr (GString) said = g_string_new (NULL);
  const char *at = work->self->answer;
  guint n = 0;

  if (work->job->begun != NULL)
    {
      g_assert_true (g_str_has_prefix (at, work->job->begun));
      g_string_append (said, work->job->begun);
      at += said->len;
    }
  g_array_append_vals (turn->chips, work->job->chips->data, work->job->chips->len);
  g_array_append_vals (turn->evidence, work->job->chips->data, work->job->chips->len);
  descry_engine_emit_stage (engine, work->job->caller, "prompt", 0.5, "120 of 240");
  if (!pause_step (work))
    turn->stopped = TRUE;

  while (*at != '\0' && !turn->stopped)
    {
      gsize length = strcspn (at, " ");
      g_autofree char *piece = NULL;

      length += strspn (at + length, " ");
      piece = g_strndup (at, length);
      g_string_append (said, piece);
      descry_engine_emit_text (engine, work->job->caller, piece);
      at += length;
      n++;
      turn->stopped = !pause_step (work);
    }

  turn->answer = g_strdup (said->str);
  turn->prompt = g_strdup_printf ("The picture shows things.\nQuestion: %s", work->job->question);
  turn->prompt_tokens = 240;
  turn->left_out = work->self->left_out;
  work->self->left_out = 0;
  turn->answer_tokens = n;
  turn->first_token_ms = (double) get_pace (work->self);
  turn->total_ms = (double) get_pace (work->self) * n;
  if (work->job->scene != NULL)
    descry_link_answer (turn, work->job->scene, work->job->options.threshold);
  g_task_return_pointer (work->job->task, turn, (GDestroyNotify) descry_turn_unref);
}

static gpointer
work_thread (gpointer data)
{
  Work *work = data;
  RecordedEngine *self = work->self;
  GError *failure;

  g_mutex_lock (&self->turn);
  g_mutex_lock (&self->lock);
  failure = g_steal_pointer (&self->failure);
  g_mutex_unlock (&self->lock);

  if (failure != NULL)
    g_task_return_error (work->job->task, failure);
  else
    switch (work->job->kind)
      {
      case DESCRY_JOB_ANALYZE:
        replay_analysis (work);
        break;
      case DESCRY_JOB_SEGMENT:
        replay_segment (work);
        break;
      case DESCRY_JOB_MASK:
        replay_mask (work);
        break;
      case DESCRY_JOB_ASK:
        replay_answer (work);
        break;
      case DESCRY_JOB_POINTS:
        replay_points (work);
        break;
      default:
        g_assert_not_reached ();
      }

  g_mutex_unlock (&self->turn);
  g_object_unref (self);
  g_free (work);
  return NULL;
}

static void
note_told (RecordedEngine *self,
           DescryScene    *scene)
{
  guint i;

  if (self->told == NULL)
    self->told = g_string_new (NULL);
  g_string_assign (self->told, " ");
  for (i = 0; scene != NULL && i < scene->objects->len; i++)
    g_string_append_printf (self->told, "%u ", ((DescryObject *) g_ptr_array_index (scene->objects, i))->id);
}

static void
recorded_engine_start (DescryEngine *engine,
                       DescryJob    *job)
{
  RecordedEngine *self = RECORDED_ENGINE (engine);
  Work *work = g_new0 (Work, 1);

  g_mutex_lock (&self->lock);
  self->counts[job->kind]++;
  if (job->kind == DESCRY_JOB_POINTS)
    {
      self->pointing++;
      self->crowd = MAX (self->crowd, self->pointing);
    }
  g_set_object (&self->caller, job->caller);
  if (job->kind == DESCRY_JOB_ASK)
    {
      g_free (self->question);
      self->question = g_strdup (job->question);
      self->options = job->options;
      g_clear_pointer (&self->chips, g_array_unref);
      self->chips = g_array_copy (job->chips);
      note_told (self, job->scene);
    }
  g_mutex_unlock (&self->lock);

  work->self = g_object_ref (self);
  work->job = job;
  g_thread_unref (g_thread_new ("recorded engine", work_thread, work));
}

static void
recorded_engine_finalize (GObject *object)
{
  RecordedEngine *self = RECORDED_ENGINE (object);

  g_clear_pointer (&self->scene, descry_scene_unref);
  g_clear_pointer (&self->answer, g_free);
  g_clear_object (&self->caller);
  g_clear_error (&self->failure);
  g_clear_pointer (&self->question, g_free);
  if (self->told != NULL)
    g_string_free (self->told, TRUE);
  g_clear_pointer (&self->chips, g_array_unref);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->turn);

  G_OBJECT_CLASS (recorded_engine_parent_class)->finalize (object);
}

static void
recorded_engine_set_idle (DescryEngine *engine,
                          guint         seconds)
{
  RECORDED_ENGINE (engine)->idle = seconds;
}

static void
recorded_engine_class_init (RecordedEngineClass *class)
{
  G_OBJECT_CLASS (class)->finalize = recorded_engine_finalize;
  DESCRY_ENGINE_CLASS (class)->start = recorded_engine_start;
  DESCRY_ENGINE_CLASS (class)->set_idle = recorded_engine_set_idle;
}

static void
recorded_engine_init (RecordedEngine *self)
{
  g_mutex_init (&self->lock);
  g_mutex_init (&self->turn);
  self->pace = 5;
}

RecordedEngine *
recorded_engine_new (DescryScene *scene,
                     const char  *answer)
{
  RecordedEngine *self = g_object_new (TYPE_RECORDED_ENGINE, NULL);
  DescryEngineStatus *status = g_new0 (DescryEngineStatus, 1);
  guint i;

  self->scene = descry_scene_ref (scene);
  self->answer = g_strdup (answer);
  status->ready = TRUE;
  status->device = g_strdup ("recorded");
  status->bundle = g_strdup ("recorded");
  status->models = g_strdup ("recorded");
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    {
      status->slots[i].usable = i != DESCRY_SLOT_CONNECTOR;
      status->slots[i].title = g_strdup ("recorded");
    }
  status->slots[DESCRY_SLOT_CONNECTOR].reason = g_strdup ("not recorded");
  descry_engine_set_status (DESCRY_ENGINE (self), status);

  return self;
}

void
recorded_engine_set_pace (RecordedEngine *self,
                          guint           ms)
{
  g_atomic_int_set (&self->pace, (int) ms);
}

void
recorded_engine_fail_next (RecordedEngine *self,
                           GError         *error)
{
  g_mutex_lock (&self->lock);
  g_clear_error (&self->failure);
  self->failure = error;
  g_mutex_unlock (&self->lock);
}

GCancellable *
recorded_engine_caller (RecordedEngine *self)
{
  GCancellable *caller;

  g_mutex_lock (&self->lock);
  caller = self->caller != NULL ? g_object_ref (self->caller) : NULL;
  g_mutex_unlock (&self->lock);
  return caller;
}

guint
recorded_engine_count (RecordedEngine *self,
                       DescryJobKind   kind)
{
  guint count;

  g_mutex_lock (&self->lock);
  count = self->counts[kind];
  g_mutex_unlock (&self->lock);
  return count;
}

char *
recorded_engine_question (RecordedEngine *self)
{
  char *question;

  g_mutex_lock (&self->lock);
  question = g_strdup (self->question);
  g_mutex_unlock (&self->lock);
  return question;
}

DescryAskOptions
recorded_engine_options (RecordedEngine *self)
{
  DescryAskOptions options;

  g_mutex_lock (&self->lock);
  options = self->options;
  g_mutex_unlock (&self->lock);
  return options;
}

void
recorded_engine_set_promptable (RecordedEngine *self,
                                gboolean        promptable)
{
  DescryEngineStatus *status = descry_engine_status (DESCRY_ENGINE (self));

  status->promptable_segmenter = promptable;
  descry_engine_set_status (DESCRY_ENGINE (self), status);
}

guint
recorded_engine_crowd (RecordedEngine *self)
{
  guint crowd;

  g_mutex_lock (&self->lock);
  crowd = self->crowd;
  g_mutex_unlock (&self->lock);
  return crowd;
}

void
recorded_engine_set_left_out (RecordedEngine *self,
                              guint           n_turns)
{
  self->left_out = n_turns;
}

guint
recorded_engine_idle (RecordedEngine *self)
{
  return self->idle;
}

GArray *
recorded_engine_chips (RecordedEngine *self)
{
  GArray *chips;

  g_mutex_lock (&self->lock);
  chips = self->chips != NULL ? g_array_copy (self->chips) : g_array_new (FALSE, FALSE, sizeof (guint));
  g_mutex_unlock (&self->lock);
  return chips;
}

const char *
recorded_engine_told (RecordedEngine *self)
{
  return self->told != NULL ? self->told->str : "";
}

/* --------- A picture ------------------ */

/* A table under a wall, lit from the left; things stand on it in a grid. */
DescryImage *
recorded_picture_new (guint         width,
                      guint         height,
                      guint         n_objects,
                      DescryScene **scene_out)
{
  static const char *names[] = { "cup", "bowl", "cup", "book", "apple", "cup", "vase", "orange" };
  static const guint8 colors[][3] = { { 214, 222, 230 }, { 70, 110, 160 }, { 190, 60, 52 }, { 60, 120, 80 },
                                      { 170, 30, 40 }, { 235, 200, 90 }, { 120, 90, 150 }, { 232, 140, 40 } };
  DescryImage *image = descry_image_new (width, height, NULL);
  DescryScene *scene = descry_scene_new (width, height);
  guint columns = (guint) ceil (sqrt (n_objects * 1.4));
  guint rows = (n_objects + columns - 1) / columns;
  guint32 noise = 12345;
  guint x, y, i;

  g_assert_nonnull (image);
  scene->bundle = g_strdup ("recorded");
  descry_scene_set_timing (scene, "tagger", 12.0);
  descry_scene_set_timing (scene, "detector", 41.0);
  descry_scene_set_timing (scene, "segmenter", 1240.0);
  for (y = 0; y < height; y++)
    for (x = 0; x < width; x++)
      {
        guint8 *pixel = image->pixels + ((gsize) y * width + x) * 3;
        gboolean table = y * 5 > height * 2;
        double light = 1.0 - 0.35 * x / width;
        double grain = table ? 8 * sin (y * 0.11 + 2 * sin (x * 0.013)) : 0;
        int value;

        noise = noise * 1664525u + 1013904223u;
        value = (int) (noise >> 28) - 8;
        pixel[0] = CLAMP ((table ? 168 + grain : 205) * light + value, 0, 255);
        pixel[1] = CLAMP ((table ? 124 + grain : 200) * light + value, 0, 255);
        pixel[2] = CLAMP ((table ? 84 + grain : 188) * light + value, 0, 255);
      }

  descry_scene_add_tag (scene, "cup", 0.93f);
  descry_scene_add_tag (scene, "bowl", 0.81f);
  descry_scene_add_tag (scene, "book", 0.74f);
  descry_scene_add_tag (scene, "apple", 0.66f);
  descry_scene_add_tag (scene, "table", 0.61f);
  for (i = 0; i < n_objects; i++)
    {
      DescryObject *object = g_new0 (DescryObject, 1);
      double cell_w = (double) width / columns;
      double cell_h = height * 0.72 / rows;
      double cx = (i % columns + 0.5 + 0.1 * sin (i * 2.1)) * cell_w;
      double cy = height * 0.24 + (i / columns + 0.5) * cell_h;
      guint w = (guint) (cell_w * (0.5 + 0.1 * sin (i * 1.3)));
      guint h = (guint) (cell_h * (0.6 + 0.1 * cos (i * 1.7)));
      guint x0 = (guint) MAX (cx - w / 2.0, 0);
      guint y0 = (guint) MAX (cy - h / 2.0, 0);
      const guint8 *color = colors[i % G_N_ELEMENTS (colors)];
      g_autofree guint8 *bits = NULL;
      gboolean square = g_str_equal (names[i % G_N_ELEMENTS (names)], "book");

      w = CLAMP (w, 8, width - x0);
      h = CLAMP (h, 8, height - y0);
      bits = g_malloc0 ((gsize) w * h);
      for (y = 0; y < h; y++)
        for (x = 0; x < w; x++)
          {
            double u = 2.0 * (x + 0.5) / w - 1;
            double v = 2.0 * (y + 0.5) / h - 1;
            double shade = 1.15 - 0.35 * (u + v + 2) / 2;

            if (square ? fabs (u) > 0.98 || fabs (v) > 0.96 : pow (fabs (u), 2.6) + pow (fabs (v), 2.6) > 1)
              continue;
            bits[y * w + x] = 1;
            {
              guint8 *pixel = image->pixels + ((gsize) (y0 + y) * width + x0 + x) * 3;

              pixel[0] = MIN (color[0] * shade, 255);
              pixel[1] = MIN (color[1] * shade, 255);
              pixel[2] = MIN (color[2] * shade, 255);
            }
          }

      object->id = i + 1;
      object->name = g_strdup (names[i % G_N_ELEMENTS (names)]);
      object->finer = i == 0 ? g_strdup ("coffee mug") : NULL;
      object->score = i == 4 ? 0.42f : 0.95f - 0.04f * (i % 8);
      object->box = (DescryBox) { x0, y0, x0 + w, y0 + h };
      object->source = i % 5 == 3 ? DESCRY_SOURCE_PROPOSAL : DESCRY_SOURCE_DETECTOR;
      object->mask = descry_mask_new (width, height, x0, y0, w, h, bits, NULL);
      g_ptr_array_add (scene->objects, object);
    }

  *scene_out = scene;
  return image;
}
