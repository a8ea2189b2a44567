/* connector.c - soft tokens: what the picture tells the language model beside the text
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-connector"

#include "config.h"

#include "compute/lyrics/connector.h"

#include <math.h>
#include <string.h>

#include "compute/memory.h"

#define MAX_OBJECTS 64

/* Standardisation: (x - mean) * inverse; both NULL when the file gives none. */
typedef struct
{
  float *mean;
  float *inverse;
} Statistics;

struct _DescryConnector
{
  DescryDevice   *device;
  DescryMqFormer *former;
  guint           feature_width;
  guint           octaves;
  guint           max_objects;
  Statistics      local; /* [local_width] */
  Statistics      visual; /* [visual_width] */
};

DescrySoftTokens *
descry_soft_tokens_ref (DescrySoftTokens *tokens)
{
  g_atomic_ref_count_inc (&tokens->refs);
  return tokens;
}

void
descry_soft_tokens_unref (DescrySoftTokens *tokens)
{
  if (tokens == NULL || !g_atomic_ref_count_dec (&tokens->refs))
    return;

  descry_free (tokens->values);
  g_free (tokens);
}

void
descry_connector_free (DescryConnector *connector)
{
  if (connector == NULL)
    return;

  g_clear_pointer (&connector->former, descry_mq_former_free);
  g_free (connector->local.mean);
  g_free (connector->local.inverse);
  g_free (connector->visual.mean);
  g_free (connector->visual.inverse);
  g_free (connector);
}

DescryMqFormer *
descry_connector_former (DescryConnector *connector)
{
  return connector->former;
}

static gboolean
read_statistics (DescryGguf *gguf,
                 const char *name,
                 guint       width,
                 gboolean    optional,
                 Statistics *statistics,
                 GError    **error)
{
  g_autofree char *mean_key = g_strdup_printf ("connector.%s_mean", name), *deviation_key = g_strdup_printf ("connector.%s_deviation", name);
  const float *mean, *deviation;
  gsize n_mean = 0, n_deviation = 0, i;

  if (optional && !descry_gguf_has (gguf, mean_key) && !descry_gguf_has (gguf, deviation_key))
    return TRUE;

  mean = descry_gguf_get_floats (gguf, mean_key, &n_mean, error);
  deviation = mean != NULL ? descry_gguf_get_floats (gguf, deviation_key, &n_deviation, error) : NULL;
  if (deviation == NULL)
    return FALSE;
  if (n_mean != width || n_deviation != width)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s and its deviation: expected %u numbers, found %" G_GSIZE_FORMAT " and %" G_GSIZE_FORMAT,
                   descry_gguf_path (gguf), mean_key, width, n_mean, n_deviation);
      return FALSE;
    }

  /* Width was bounded by the former (16384). */
  statistics->mean = g_memdup2 (mean, width * sizeof (float));
  statistics->inverse = g_new (float, width);
  for (i = 0; i < width; i++)
    {
      if (!isfinite (mean[i]) || !isfinite (deviation[i]) || deviation[i] < 1e-12f)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: %s: deviation %" G_GSIZE_FORMAT " is %g", descry_gguf_path (gguf), mean_key, i, deviation[i]);
          return FALSE;
        }
      statistics->inverse[i] = 1.0f / deviation[i];
    }

  return TRUE;
}

static guint
local_width (const DescryConnector *connector)
{
  return descry_connector_row_width (connector->feature_width, connector->octaves);
}

static gboolean
read_number (DescryGguf *gguf,
             const char *key,
             guint64     low,
             guint64     high,
             guint      *value,
             GError    **error)
{
  guint64 number = 0;

  if (!descry_gguf_get_uint (gguf, key, low, high, &number, error))
    return FALSE;
  *value = (guint) number;
  return TRUE;
}

static gboolean
read_metadata (DescryConnector *connector,
               DescryGguf      *gguf,
               GError         **error)
{
  const DescryMqFormerShape *shape = descry_mq_former_shape (connector->former);

  connector->max_objects = MAX_OBJECTS;
  if (!read_number (gguf, "connector.feature_width", 1, 16384, &connector->feature_width, error)
      || !read_number (gguf, "connector.fourier_octaves", 0, 16, &connector->octaves, error))
    return FALSE;
  if (descry_gguf_has (gguf, "connector.max_objects") && !read_number (gguf, "connector.max_objects", 1, 1024, &connector->max_objects, error))
    return FALSE;
  if (local_width (connector) != shape->local_width)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: rows of an object have %u numbers, mq-former.local_width is %u",
                   descry_gguf_path (gguf), local_width (connector), shape->local_width);
      return FALSE;
    }

  return read_statistics (gguf, "local", shape->local_width, FALSE, &connector->local, error)
         && read_statistics (gguf, "visual", shape->visual_width, TRUE, &connector->visual, error);
}

/* A sentence if the file is sound but must not be used here; NULL with @error set if it is not sound. */
static char *
find_objection (DescryGguf *gguf,
                DescryGguf *llm,
                guint       llm_width,
                gboolean    allow_untrained,
                GError    **error)
{
  const char *local = descry_gguf_get_string (gguf, "connector.local", error);
  gboolean untrained = FALSE;
  guint width = 0;

  if (local == NULL)
    return NULL;
  if (strcmp (local, "objects") != 0)
    return g_strdup_printf ("This connector reads local tokens of the kind “%s”; this version makes those of the scene's objects.", local);

  if (descry_gguf_has (gguf, "general.untrained") && !descry_gguf_get_bool (gguf, "general.untrained", &untrained, error))
    return NULL;
  if (untrained && !allow_untrained)
    return g_strdup ("The connector's weights are random: it has not been trained, so it is not used.");

  if (!read_number (gguf, "mq-former.llm_width", 1, 16384, &width, error))
    return NULL;
  if (llm_width != 0 && width != llm_width)
    return g_strdup_printf ("The connector was made for a language model of width %u, the one in use has %u.", width, llm_width);
  if (llm != NULL && descry_gguf_has (gguf, "connector.llm") && descry_gguf_has (llm, "general.name"))
    {
      const char *wanted = descry_gguf_get_string (gguf, "connector.llm", error);
      const char *found = wanted != NULL ? descry_gguf_get_string (llm, "general.name", error) : NULL;

      if (found == NULL)
        return NULL;
      if (strcmp (wanted, found) != 0)
        return g_strdup_printf ("The connector was trained for %s, the language model in use is %s.", wanted, found);
    }

  return NULL;
}

DescryConnector *
descry_connector_new (DescryDevice *device,
                      DescryGguf   *gguf,
                      DescryGguf   *llm,
                      guint         llm_width,
                      gboolean      allow_untrained,
                      char        **reason,
                      GError      **error)
{
  g_autoptr (DescryConnector) connector = g_new0 (DescryConnector, 1);
  g_autoptr (GError) failure = NULL;

  *reason = find_objection (gguf, llm, llm_width, allow_untrained, &failure);
  if (failure != NULL)
    g_propagate_error (error, g_steal_pointer (&failure));
  else if (*reason == NULL)
    {
      connector->device = device;
      connector->former = descry_mq_former_new (device, gguf, error);
      if (connector->former != NULL && read_metadata (connector, gguf, error))
        return g_steal_pointer (&connector);
    }

  return NULL;
}

DescryConnector *
descry_connector_open (DescryDevice *device,
                       DescryBundle *bundle,
                       DescryGguf   *llm,
                       guint         llm_width,
                       char        **reason,
                       GError      **error)
{
  GPtrArray *slot = bundle->slots[DESCRY_SLOT_CONNECTOR];
  g_autoptr (DescryGguf) gguf = NULL;

  *reason = NULL;
  if (slot == NULL || slot->len == 0 || bundle->missing[DESCRY_SLOT_CONNECTOR] != NULL)
    {
      *reason = g_strdup (bundle->missing[DESCRY_SLOT_CONNECTOR] != NULL ? bundle->missing[DESCRY_SLOT_CONNECTOR] : "no connector is installed");
      return NULL;
    }

  gguf = descry_gguf_open (((DescryBundleFile *) g_ptr_array_index (slot, 0))->path, error);
  if (gguf == NULL)
    return NULL;

  return descry_connector_new (device, gguf, llm, llm_width, FALSE, reason, error);
}

static int
compare_places (gconstpointer a,
                gconstpointer b)
{
  const DescryObject *left = *(DescryObject *const *) a, *right = *(DescryObject *const *) b;
  float difference = left->box.x0 + left->box.x1 - right->box.x0 - right->box.x1;

  return difference < 0.0f ? -1 : difference > 0.0f ? 1 : (left->id > right->id) - (left->id < right->id);
}

guint
descry_connector_row_width (guint feature_width,
                            guint octaves)
{
  return feature_width + 4 + 8 * octaves + 1 + 3 + 1;
}

/* One row before standardisation; places it fills in the order of the header. */
static void
fill_row (const DescryScene  *scene,
          const DescryObject *object,
          guint               rank,
          guint               feature_width,
          guint               octaves,
          const float        *unknown,
          float              *row)
{
  const DescryBox box = object->box;
  const float values[] = { (box.x0 + box.x1) * 0.5f / scene->width, (box.y0 + box.y1) * 0.5f / scene->height,
                           (box.x1 - box.x0) / scene->width, (box.y1 - box.y0) / scene->height };
  guint at = feature_width, k, i;

  if (object->feature != NULL && object->n_feature == feature_width)
    memcpy (row, object->feature, feature_width * sizeof (float));
  else if (unknown != NULL)
    /* A stored scene carries no features: the mean says nothing. */
    memcpy (row, unknown, feature_width * sizeof (float));
  else
    memset (row, 0, feature_width * sizeof (float));

  for (i = 0; i < 4; i++)
    row[at++] = values[i];
  for (k = 0; k < octaves; k++)
    {
      for (i = 0; i < 4; i++)
        row[at++] = (float) sin (ldexp (G_PI, (int) k) * values[i]);
      for (i = 0; i < 4; i++)
        row[at++] = (float) cos (ldexp (G_PI, (int) k) * values[i]);
    }
  row[at++] = object->score;
  for (i = 0; i < 3; i++)
    row[at++] = object->color[i];
  row[at++] = (float) rank;
  g_assert (at == descry_connector_row_width (feature_width, octaves));
}

void
descry_connector_fill_rows (DescryScene *scene,
                            GPtrArray   *objects,
                            guint        feature_width,
                            guint        octaves,
                            const float *unknown,
                            float       *rows)
{
  g_autoptr (GPtrArray) sorted = g_ptr_array_new (); /* a copy of the array would own the objects too */
  guint i, rank;

  for (i = 0; i < objects->len; i++)
    g_ptr_array_add (sorted, g_ptr_array_index (objects, i));
  g_ptr_array_sort (sorted, compare_places);
  for (i = 0; i < objects->len; i++)
    {
      g_ptr_array_find (sorted, g_ptr_array_index (objects, i), &rank);
      fill_row (scene, g_ptr_array_index (objects, i), rank, feature_width, octaves, unknown,
                rows + (gsize) i * descry_connector_row_width (feature_width, octaves));
    }
}

static void
standardise (const Statistics *statistics,
             float            *values,
             gsize             rows,
             guint             width)
{
  gsize r;
  guint i;

  for (r = 0; statistics->mean != NULL && r < rows; r++)
    for (i = 0; i < width; i++)
      values[r * width + i] = (values[r * width + i] - statistics->mean[i]) * statistics->inverse[i];
}

float *
descry_connector_local_tokens (DescryConnector *connector,
                               DescryScene     *scene,
                               float            threshold,
                               const guint     *pointed,
                               guint            n_pointed,
                               guint           *n,
                               GError         **error)
{
  const guint width = local_width (connector);
  g_autoptr (GPtrArray) told = g_ptr_array_new ();
  float *rows;
  guint i;

  *n = 0;
  for (i = 0; scene != NULL && i < n_pointed && told->len < connector->max_objects; i++)
    {
      DescryObject *object = descry_scene_find (scene, pointed[i]);

      if (object != NULL && !g_ptr_array_find (told, object, NULL))
        g_ptr_array_add (told, object);
    }
  for (i = 0; scene != NULL && i < scene->objects->len && told->len < connector->max_objects; i++)
    {
      DescryObject *object = g_ptr_array_index (scene->objects, i);

      if (object->score >= threshold && !g_ptr_array_find (told, object, NULL))
        g_ptr_array_add (told, object);
    }
  if (told->len == 0)
    return NULL;

  rows = descry_try_alloc ((gsize) told->len * width, sizeof (float));
  if (rows == NULL)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for the features of %u objects", told->len);
      return NULL;
    }

  descry_connector_fill_rows (scene, told, connector->feature_width, connector->octaves, connector->local.mean, rows);
  standardise (&connector->local, rows, told->len, width);

  *n = told->len;
  return rows;
}

/* The image tokens, standardised, on the device. */
static DescryTensor
upload_image (DescryConnector *connector,
              DescryRun       *run,
              DescryTokens    *tokens)
{
  const guint rows = tokens->height * tokens->width;
  DescryTensor tensor = { 0 };
  float *values = descry_try_alloc ((gsize) rows * tokens->channels, sizeof (float));

  if (values == NULL)
    {
      descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %u image tokens", rows);
      return tensor;
    }
  memcpy (values, tokens->values, (gsize) rows * tokens->channels * sizeof (float));
  if (tokens->channels == descry_mq_former_shape (connector->former)->visual_width)
    standardise (&connector->visual, values, rows, tokens->channels);
  tensor = descry_run_tensor2 (run, rows, tokens->channels);
  descry_run_write (run, tensor, values, (gsize) rows * tokens->channels);
  descry_free (values);

  return tensor;
}

DescrySoftTokens *
descry_connector_run (DescryConnector *connector,
                      DescryTokens    *image_tokens,
                      DescryScene     *scene,
                      float            threshold,
                      const guint     *pointed,
                      guint            n_pointed,
                      GCancellable    *cancellable,
                      GError         **error)
{
  const DescryMqFormerShape *shape = descry_mq_former_shape (connector->former);
  g_autoptr (DescrySoftTokens) result = NULL;
  g_autoptr (DescryRun) run = NULL;
  g_autoptr (GError) failure = NULL;
  DescryTensor image, local = { 0 }, soft;
  guint n = 0;
  float *rows = descry_connector_local_tokens (connector, scene, threshold, pointed, n_pointed, &n, &failure);

  if (failure != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return NULL;
    }

  run = descry_run_new (connector->device, cancellable);
  image = upload_image (connector, run, image_tokens);
  if (n > 0)
    {
      local = descry_run_tensor2 (run, n, shape->local_width);
      descry_run_write (run, local, rows, (gsize) n * shape->local_width);
      descry_free (rows);
    }
  descry_mq_former_run (connector->former, run, image, local, NULL, 0, NULL, &soft);

  /* Queries of objects that are not there have nothing to say to the language model. */
  result = g_new0 (DescrySoftTokens, 1);
  g_atomic_ref_count_init (&result->refs);
  result->n = shape->visual_queries
              + (shape->queries_per_object > 0 ? MIN (n * shape->queries_per_object, shape->grounding_queries) : shape->grounding_queries);
  result->width = shape->llm_width;
  result->values = descry_try_alloc ((gsize) result->n * result->width, sizeof (float));
  if (result->values == NULL)
    descry_run_fail (run, DESCRY_ERROR_OUT_OF_MEMORY, "No memory for %u soft tokens", result->n);
  else if (soft.buffer != NULL)
    descry_run_read (run, descry_tensor_slice (soft, 0, result->n), result->values, (gsize) result->n * result->width);
  if (!descry_run_finish (run, error))
    return NULL;

  return g_steal_pointer (&result);
}
