/* example-set.c - sets of training pictures on disk: read, shuffled, measured, written
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/example-private.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compute/files/io.h"
#include "compute/files/json.h"
#include "compute/files/quant.h"
#include "compute/memory.h"

#define LIST_LIMIT ((guint64) 1 << 32)
#define N_SPLITS   3

/* Where the features of a picture are. */
typedef struct
{
  DescryPicture *picture;
  guint8         key[32];
  guint64        at;
} Entry;

struct _DescryPictureSet
{
  char       *path;
  DescryFile *features;
  guint       channels, row_width;
  GPtrArray  *splits[N_SPLITS]; /* of Entry */
};

static void
free_entry (gpointer data)
{
  Entry *entry = data;

  descry_picture_free (entry->picture);
  g_free (entry);
}

gsize
descry_feature_record_halves (const DescryFeatureRecord *record,
                              guint                      channels,
                              guint                      row_width)
{
  if (record->grid_height > 1024 || record->grid_width > 1024 || record->rows > DESCRY_FEATURES_MAX_ROWS)
    return 0;
  return (gsize) record->grid_height * record->grid_width * channels + (gsize) record->rows * row_width;
}

guint32
descry_picture_features_check (const guint16 *halves,
                       gsize          n)
{
  guint32 check = 2166136261u;
  gsize i;

  for (i = 0; i < n; i++)
    check = (check ^ halves[i]) * 16777619u;
  return check;
}

gboolean
descry_picture_features_parse_key (const char *hex,
                           guint8      key[32])
{
  guint i;

  if (hex == NULL || strlen (hex) != 64)
    return FALSE;
  for (i = 0; i < 32; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      key[i] = (guint8) (high * 16 + low);
    }

  return TRUE;
}

gboolean
descry_picture_features_unpack (DescryPicture             *picture,
                        const DescryFeatureRecord *record,
                        guint                      channels,
                        guint                      row_width,
                        const guint16             *halves)
{
  const gsize n_grid = (gsize) record->grid_height * record->grid_width * channels, n_rows = (gsize) record->rows * row_width;
  float *grid = descry_try_alloc (MAX (n_grid, 1), sizeof (float)), *rows = n_rows > 0 ? descry_try_alloc (n_rows, sizeof (float)) : NULL;
  gsize i;

  if (grid == NULL || (n_rows > 0 && rows == NULL))
    {
      descry_free (grid);
      descry_free (rows);
      return FALSE;
    }
  for (i = 0; i < n_grid; i++)
    grid[i] = descry_half_to_float (halves[i]);
  for (i = 0; i < n_rows; i++)
    rows[i] = descry_half_to_float (halves[n_grid + i]);
  descry_free (picture->grid);
  descry_free (picture->rows);
  picture->grid = grid;
  picture->rows = rows;
  picture->grid_height = record->grid_height;
  picture->grid_width = record->grid_width;
  picture->channels = channels;
  picture->row_width = row_width;

  return TRUE;
}

static gboolean
read_header (DescryPictureSet *set,
             json_t           *json,
             GError          **error)
{
  json_int_t channels = json_integer_value (json_object_get (json, "channels")), row_width = json_integer_value (json_object_get (json, "row_width"));
  g_autofree char *path = g_strconcat (set->path, ".features", NULL);
  guint8 header[DESCRY_FEATURES_HEADER];
  guint32 found[2];

  if (g_strcmp0 (json_string_value (json_object_get (json, "kind")), "pictures") != 0 || channels < 1 || channels > DESCRY_FEATURES_MAX_WIDTH
      || row_width < 1 || row_width > DESCRY_FEATURES_MAX_WIDTH)
    {
      g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "no set of training pictures");
      return FALSE;
    }
  set->channels = (guint) channels;
  set->row_width = (guint) row_width;
  set->features = descry_file_open (path, error);
  if (set->features == NULL || !descry_file_read (set->features, 0, header, sizeof header, error))
    return FALSE;
  memcpy (found, header + 8, sizeof found);
  if (memcmp (header, DESCRY_FEATURES_MAGIC, 8) != 0 || found[0] != set->channels || found[1] != set->row_width)
    return descry_file_fail (set->features, error, "features of another set");

  return TRUE;
}

static gboolean
read_entry (DescryPictureSet *set,
            json_t           *json,
            GError          **error)
{
  Entry *entry = g_new0 (Entry, 1);
  json_int_t at = json_integer_value (json_object_get (json, "at"));

  entry->picture = descry_picture_from_json (json, error);
  if (entry->picture != NULL && (at < DESCRY_FEATURES_HEADER || !descry_picture_features_parse_key (json_string_value (json_object_get (json, "key")), entry->key)))
    {
      g_set_error_literal (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "key or place of its features is missing");
      g_clear_pointer (&entry->picture, descry_picture_free);
    }
  if (entry->picture == NULL)
    {
      free_entry (entry);
      return FALSE;
    }
  entry->at = (guint64) at;
  g_ptr_array_add (set->splits[entry->picture->split], entry);

  return TRUE;
}

static gboolean
read_lines (DescryPictureSet *set,
            const char       *text,
            gsize             n,
            GError          **error)
{
  gsize start = 0, line = 0;

  while (start < n)
    {
      const char *end = memchr (text + start, '\n', n - start);
      gsize length = end != NULL ? (gsize) (end - text) - start : n - start;
      json_t *json = descry_files_json_parse (text + start, length, 8, set->path, error);
      gboolean ok = json != NULL && (line == 0 ? read_header (set, json, error) : read_entry (set, json, error));

      line++;
      json_decref (json);
      if (!ok)
        {
          g_prefix_error (error, "%s:%" G_GSIZE_FORMAT ": ", set->path, line);
          return FALSE;
        }
      start += length + 1;
    }
  if (line == 0)
    g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%s: the file is empty", set->path);

  return line > 0;
}

DescryPictureSet *
descry_picture_set_open (const char *path,
                         GError    **error)
{
  g_autoptr (DescryPictureSet) set = g_new0 (DescryPictureSet, 1);
  gsize n = 0;
  guint8 *text;
  gboolean ok;
  guint i;

  set->path = g_strdup (path);
  for (i = 0; i < N_SPLITS; i++)
    set->splits[i] = g_ptr_array_new_with_free_func (free_entry);
  text = descry_file_read_all (path, LIST_LIMIT, &n, error);
  if (text == NULL)
    return NULL;
  ok = read_lines (set, (const char *) text, n, error);
  descry_free (text);

  return ok ? g_steal_pointer (&set) : NULL;
}

void
descry_picture_set_free (DescryPictureSet *set)
{
  guint i;

  if (set == NULL)
    return;

  for (i = 0; i < N_SPLITS; i++)
    g_ptr_array_unref (set->splits[i]);
  g_clear_pointer (&set->features, descry_file_close);
  g_free (set->path);
  g_free (set);
}

guint
descry_picture_set_count (DescryPictureSet *set,
                          DescrySplit       split)
{
  return set->splits[split]->len;
}

guint
descry_picture_set_channels (DescryPictureSet *set)
{
  return set->channels;
}

guint
descry_picture_set_row_width (DescryPictureSet *set)
{
  return set->row_width;
}

/* Through the list's own form: the copy has no part in common with the original. */
static DescryPicture *
copy_picture (const DescryPicture *picture,
              GError             **error)
{
  json_t *json = descry_picture_to_json (picture);
  DescryPicture *copy = descry_picture_from_json (json, error);

  json_decref (json);
  return copy;
}

DescryPicture *
descry_picture_set_get (DescryPictureSet *set,
                        DescrySplit       split,
                        guint             index,
                        GError          **error)
{
  const Entry *entry;
  g_autoptr (DescryPicture) picture = NULL;
  DescryFeatureRecord record;
  guint16 *halves;
  gsize n;
  gboolean ok;

  g_return_val_if_fail (index < set->splits[split]->len, NULL);

  entry = g_ptr_array_index (set->splits[split], index);
  if (!descry_file_read (set->features, entry->at, &record, sizeof record, error))
    return NULL;
  n = descry_feature_record_halves (&record, set->channels, set->row_width);
  if (memcmp (record.key, entry->key, sizeof record.key) != 0 || n == 0 || record.rows != entry->picture->objects->len)
    {
      descry_file_fail (set->features, error, "the features of %s are not where they should be", entry->picture->name);
      return NULL;
    }
  halves = descry_try_alloc (n, sizeof (guint16));
  if (halves == NULL)
    {
      descry_file_fail_memory (set->features, error);
      return NULL;
    }
  picture = copy_picture (entry->picture, error);
  ok = picture != NULL && descry_file_read (set->features, entry->at + sizeof record, halves, n * sizeof (guint16), error);
  if (ok && descry_picture_features_check (halves, n) != record.check)
    ok = descry_file_fail (set->features, error, "the features of %s are damaged", picture->name);
  if (ok && !descry_picture_features_unpack (picture, &record, set->channels, set->row_width, halves))
    ok = descry_file_fail_memory (set->features, error);
  descry_free (halves);

  return ok ? g_steal_pointer (&picture) : NULL;
}

void
descry_picture_set_shuffle (DescryPictureSet *set,
                            DescrySplit       split,
                            guint64           seed,
                            guint             epoch,
                            guint            *order)
{
  const guint32 state[] = { (guint32) seed, (guint32) (seed >> 32), epoch, split, 0x73687566u };
  GRand *rand = g_rand_new_with_seed_array (state, G_N_ELEMENTS (state));
  guint n = set->splits[split]->len, i;

  for (i = 0; i < n; i++)
    {
      guint other = g_rand_int (rand) % (i + 1);

      order[i] = order[other];
      order[other] = i;
    }
  g_rand_free (rand);
}

typedef struct { double *sum, *square; guint64 n; guint width; } Moments;

static void
add_rows (Moments     *moments,
          const float *values,
          gsize        rows)
{
  gsize r;
  guint i;

  for (r = 0; r < rows; r++)
    for (i = 0; i < moments->width; i++)
      {
        double value = values[r * moments->width + i];

        moments->sum[i] += value;
        moments->square[i] += value * value;
      }
  moments->n += rows;
}

static void
finish_moments (const Moments *moments,
                float         *mean,
                float         *deviation)
{
  guint i;

  for (i = 0; i < moments->width; i++)
    {
      double m = moments->sum[i] / (double) MAX (moments->n, 1), v = moments->square[i] / (double) MAX (moments->n, 1) - m * m;

      mean[i] = (float) m;
      deviation[i] = (float) MAX (sqrt (MAX (v, 0.0)), 1e-4);
    }
}

gboolean
descry_picture_set_statistics (DescryPictureSet *set,
                               guint             limit,
                               float            *visual_mean,
                               float            *visual_deviation,
                               float            *local_mean,
                               float            *local_deviation,
                               GError          **error)
{
  g_autofree double *sums = g_new0 (double, 2 * (set->channels + set->row_width));
  Moments visual = { sums, sums + set->channels, 0, set->channels };
  Moments local = { sums + 2 * set->channels, sums + 2 * set->channels + set->row_width, 0, set->row_width };
  guint n = MIN (limit, set->splits[DESCRY_SPLIT_TRAIN]->len), i;

  for (i = 0; i < n; i++)
    {
      g_autoptr (DescryPicture) picture = descry_picture_set_get (set, DESCRY_SPLIT_TRAIN, i, error);

      if (picture == NULL)
        return FALSE;
      add_rows (&visual, picture->grid, (gsize) picture->grid_height * picture->grid_width);
      if (picture->rows != NULL)
        add_rows (&local, picture->rows, picture->objects->len);
    }
  finish_moments (&visual, visual_mean, visual_deviation);
  finish_moments (&local, local_mean, local_deviation);

  return TRUE;
}
