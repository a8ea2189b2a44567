/* stock.c - cut-outs and landscapes that synthetic pictures are made of
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/synthetic/stock.h"

#include <png.h>
#include <string.h>

#include "compute/files/io.h"
#include "compute/memory.h"
#include "descry-tables.h"

#define PNG_LIMIT  ((guint64) 8 << 20)
#define SIDE_LIMIT 2048
#define LEAST_SIDE 16
#define OPAQUE     128
#define ONE_COLOR  0.55 /* share of the opaque pixels that one word must have */

const char *
descry_color_word (guint r,
                   guint g,
                   guint b)
{
  const guint most = MAX (r, MAX (g, b)), least = MIN (r, MIN (g, b));
  const double value = most / 255.0, chroma = (most - least) / 255.0, saturation = most > 0 ? chroma / value : 0.0;
  double hue;

  if (value < 0.2)
    return "black";
  if (saturation < 0.16 || chroma < 0.07)
    return value > 0.8 ? "white" : value < 0.28 ? "black" : "gray";

  if (most == r)
    hue = 60.0 * ((double) g - b) / (most - least);
  else if (most == g)
    hue = 120.0 + 60.0 * ((double) b - r) / (most - least);
  else
    hue = 240.0 + 60.0 * ((double) r - g) / (most - least);
  if (hue < 0.0)
    hue += 360.0;

  if (hue < 15.0 || hue >= 345.0)
    return value < 0.42 && saturation < 0.6 ? "brown" : saturation < 0.5 && value > 0.7 ? "pink" : "red";
  if (hue < 42.0)
    return value < 0.65 || saturation < 0.55 ? "brown" : "orange";
  if (hue < 68.0)
    return value < 0.5 ? "brown" : "yellow";
  if (hue < 168.0)
    return "green";
  if (hue < 255.0)
    return "blue";
  if (hue < 292.0)
    return "purple";
  return value > 0.65 ? "pink" : "purple";
}

void
descry_cutout_free (DescryCutout *cutout)
{
  if (cutout == NULL)
    return;

  g_free (cutout->name);
  g_free (cutout->noun);
  descry_free (cutout->rgba);
  g_free (cutout);
}

static void
free_landscape (gpointer data)
{
  DescryLandscape *landscape = data;

  g_free (landscape->name);
  g_free (landscape->scene);
  g_clear_pointer (&landscape->image, descry_image_unref);
  g_free (landscape);
}

void
descry_stock_free (DescryStock *stock)
{
  guint i;

  if (stock == NULL)
    return;

  for (i = 0; i < 3; i++)
    {
      g_ptr_array_unref (stock->cutouts[i]);
      g_ptr_array_unref (stock->landscapes[i]);
    }
  g_free (stock);
}

static const char *
main_color (const DescryCutout *cutout)
{
  const char *words[16];
  guint counts[16], n = 0, opaque = 0, best = 0, i, k;
  const guint8 *pixel;

  for (i = 0; i < cutout->width * cutout->height; i++)
    {
      const char *word;

      pixel = cutout->rgba + 4 * (gsize) i;
      if (pixel[3] < OPAQUE)
        continue;
      opaque++;
      word = descry_color_word (pixel[0], pixel[1], pixel[2]);
      for (k = 0; k < n && words[k] != word && strcmp (words[k], word) != 0; k++)
        ;
      if (k == n && n < G_N_ELEMENTS (words))
        {
          words[n] = word;
          counts[n++] = 0;
        }
      counts[k]++;
    }
  for (k = 1; k < n; k++)
    if (counts[k] > counts[best])
      best = k;

  return n > 0 && counts[best] >= ONE_COLOR * opaque ? words[best] : NULL;
}

/* Cuts away what is transparent; FALSE if next to nothing is left. */
static gboolean
trim (DescryCutout *cutout)
{
  guint x0 = cutout->width, y0 = cutout->height, x1 = 0, y1 = 0, x, y;

  for (y = 0; y < cutout->height; y++)
    for (x = 0; x < cutout->width; x++)
      if (cutout->rgba[4 * ((gsize) y * cutout->width + x) + 3] >= OPAQUE)
        {
          x0 = MIN (x0, x);
          y0 = MIN (y0, y);
          x1 = MAX (x1, x + 1);
          y1 = MAX (y1, y + 1);
        }
  if (x1 < x0 + LEAST_SIDE || y1 < y0 + LEAST_SIDE)
    return FALSE;

  for (y = y0; y < y1; y++)
    memmove (cutout->rgba + 4 * (gsize) (y - y0) * (x1 - x0), cutout->rgba + 4 * ((gsize) y * cutout->width + x0), 4 * (gsize) (x1 - x0));
  cutout->width = x1 - x0;
  cutout->height = y1 - y0;

  return TRUE;
}

DescryCutout *
descry_cutout_from_png (const guint8 *bytes,
                        gsize         n)
{
  g_autoptr (DescryCutout) cutout = g_new0 (DescryCutout, 1);
  png_image png = { .version = PNG_IMAGE_VERSION };
  gboolean ok = png_image_begin_read_from_memory (&png, bytes, n) != 0;

  if (ok && png.width <= SIDE_LIMIT && png.height <= SIDE_LIMIT)
    {
      png.format = PNG_FORMAT_RGBA;
      cutout->rgba = descry_try_alloc ((gsize) png.width * png.height, 4);
      ok = cutout->rgba != NULL && png_image_finish_read (&png, NULL, cutout->rgba, 0, NULL) != 0;
      cutout->width = png.width;
      cutout->height = png.height;
    }
  else
    ok = FALSE;
  png_image_free (&png);
  if (!ok || !trim (cutout))
    return NULL;

  cutout->color = main_color (cutout);
  return g_steal_pointer (&cutout);
}

static char *
bare_name (const char *path)
{
  char *name = g_path_get_basename (path), *dot = strrchr (name, '.');

  if (dot != NULL)
    *dot = '\0';
  return name;
}

static gboolean
load_cutout (DescryStock *stock,
             const char  *path,
             const char  *noun)
{
  DescryCutout *cutout = NULL;
  gsize n;
  guint8 *bytes = descry_file_read_all (path, PNG_LIMIT, &n, NULL);

  if (bytes != NULL)
    cutout = descry_cutout_from_png (bytes, n);
  descry_free (bytes);
  if (cutout == NULL)
    return FALSE;
  cutout->name = bare_name (path);
  cutout->noun = g_strdup (noun);
  cutout->split = descry_split_of (cutout->name);
  g_ptr_array_add (stock->cutouts[cutout->split], cutout);

  return TRUE;
}

static char **
read_table (const char *name)
{
  GResource *resource = descry_tables_get_resource ();
  g_autofree char *path = g_strconcat ("/io/github/descry/tables/", name, NULL);
  g_autoptr (GBytes) bytes = g_resource_lookup_data (resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autofree char *text = NULL;

  g_assert (bytes != NULL); /* part of the program */
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return g_strsplit (g_strchomp (text), "\n", -1);
}

static void
load_cutouts (DescryStock *stock,
              const char  *folder,
              const char  *table)
{
  g_auto (GStrv) lines = read_table (table);
  guint i;

  for (i = 1; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", 3);
      g_autofree char *path = g_build_filename (folder, fields[0], "usr/share", fields[1], NULL);

      if (!load_cutout (stock, path, fields[2]))
        stock->missing++;
    }
}

static gboolean
load_landscapes (DescryStock   *stock,
                 const char    *folder,
                 GCancellable  *cancellable,
                 GError       **error)
{
  g_auto (GStrv) lines = read_table ("landscapes.tsv");
  guint i;

  for (i = 1; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], "\t", 3);
      g_autofree char *path = g_build_filename (folder, fields[0], "usr/share", fields[1], NULL);
      g_autoptr (DescryImage) image = descry_image_load (path, cancellable, NULL);
      DescryLandscape *landscape;

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (image == NULL)
        {
          stock->missing++;
          continue;
        }
      landscape = g_new0 (DescryLandscape, 1);
      landscape->name = bare_name (path);
      landscape->scene = g_strcmp0 (fields[2], "-") != 0 ? g_strdup (fields[2]) : NULL;
      landscape->split = descry_split_of (landscape->name);
      landscape->image = g_steal_pointer (&image);
      g_ptr_array_add (stock->landscapes[landscape->split], landscape);
    }

  return TRUE;
}

DescryStock *
descry_stock_load (const char    *folder,
                   gboolean       clip_art,
                   GCancellable  *cancellable,
                   GError       **error)
{
  g_autoptr (DescryStock) stock = g_new0 (DescryStock, 1);
  guint i;

  for (i = 0; i < 3; i++)
    {
      stock->cutouts[i] = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_cutout_free);
      stock->landscapes[i] = g_ptr_array_new_with_free_func (free_landscape);
    }
  load_cutouts (stock, folder, "cut-outs.tsv");
  if (clip_art)
    load_cutouts (stock, folder, "clip-art.tsv");
  if (!load_landscapes (stock, folder, cancellable, error))
    return NULL;

  for (i = 0; i < 3; i++)
    if (stock->cutouts[i]->len == 0 || stock->landscapes[i]->len == 0)
      {
        g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_IO, "%s: too few of the pictures are there that synthetic scenes are made of", folder);
        return NULL;
      }

  return g_steal_pointer (&stock);
}

gboolean
descry_stock_trains (DescryStock *stock,
                     const char  *noun)
{
  guint i;

  for (i = 0; i < stock->cutouts[DESCRY_SPLIT_TRAIN]->len; i++)
    if (strcmp (((DescryCutout *) g_ptr_array_index (stock->cutouts[DESCRY_SPLIT_TRAIN], i))->noun, noun) == 0)
      return TRUE;

  return FALSE;
}
