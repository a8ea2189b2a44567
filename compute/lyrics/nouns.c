/* nouns.c - everyday nouns for the classifier's and the detectors' classes
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-nouns"

#include "config.h"

#include "compute/lyrics/nouns.h"

#include <string.h>

#include <gio/gio.h>

#include "descry-tables.h"

enum { NOUN_INDEX, NOUN_SYNSET, NOUN_NOUN, NOUN_GROUP, NOUN_KIND, NOUN_FINER, NOUN_COLUMNS };
enum { COCO_INDEX, COCO_CLASS, COCO_DISPLAY, COCO_CLASSES, COCO_COLUMNS };

static GHashTable *noun_places; /* name -> index + 1 */

/* Lines without the heading. The tables are part of the program, so that what is wrong with one is a
 * mistake of ours. */
static char **
read_lines (const char *path)
{
  GResource *resource = descry_tables_get_resource ();
  g_autoptr (GBytes) bytes = g_resource_lookup_data (resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autofree char *text = NULL;
  gsize size;
  const char *data;

  g_return_val_if_fail (bytes != NULL, NULL);

  data = g_bytes_get_data (bytes, &size);
  text = g_strndup (data, size);
  return g_strsplit (strchr (text, '\n') + 1, "\n", -1);
}

static guint
find_or_add_group (DescryNouns *nouns,
                   const char  *name)
{
  guint i;

  for (i = 0; i < nouns->n_groups; i++)
    if (strcmp (nouns->groups[i], name) == 0)
      return i;

  nouns->groups[nouns->n_groups] = g_intern_string (name);
  return nouns->n_groups++;
}

static guint
find_or_add_noun (DescryNouns *nouns,
                  char       **columns)
{
  guint place = GPOINTER_TO_UINT (g_hash_table_lookup (noun_places, columns[NOUN_NOUN]));
  DescryNoun *noun;

  if (place > 0)
    return place - 1;

  noun = &nouns->nouns[nouns->n_nouns];
  noun->name = g_intern_string (columns[NOUN_NOUN]);
  noun->group = find_or_add_group (nouns, columns[NOUN_GROUP]);
  noun->scene = strcmp (columns[NOUN_KIND], "scene") == 0;
  g_hash_table_insert (noun_places, (gpointer) noun->name, GUINT_TO_POINTER (nouns->n_nouns + 1));
  return nouns->n_nouns++;
}

static void
read_nouns (DescryNouns *nouns)
{
  g_auto (GStrv) lines = read_lines ("/io/github/descry/tables/imagenet-nouns.tsv");
  guint i;

  for (i = 0; lines != NULL && lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      g_auto (GStrv) columns = g_strsplit (lines[i], "\t", -1);
      guint64 index = g_ascii_strtoull (columns[NOUN_INDEX], NULL, 10);

      g_return_if_fail (g_strv_length (columns) == NOUN_COLUMNS && index < DESCRY_N_CLASSES);
      nouns->noun_of[index] = (guint16) find_or_add_noun (nouns, columns);
      nouns->finer[index] = g_intern_string (columns[NOUN_FINER]);
    }
}

static void
read_coco (DescryNouns *nouns)
{
  g_auto (GStrv) lines = read_lines ("/io/github/descry/tables/imagenet-coco.tsv");
  guint i, j;

  for (i = 0; lines != NULL && lines[i] != NULL && *lines[i] != '\0'; i++)
    {
      g_auto (GStrv) columns = g_strsplit (lines[i], "\t", -1);
      g_auto (GStrv) classes = NULL;
      guint64 index = g_ascii_strtoull (columns[COCO_INDEX], NULL, 10);
      DescryCoco *coco;

      g_return_if_fail (g_strv_length (columns) == COCO_COLUMNS && index < DESCRY_N_COCO);
      coco = &nouns->coco[index];
      coco->name = g_intern_string (columns[COCO_DISPLAY]);
      if (*columns[COCO_CLASSES] == '\0')
        continue;

      classes = g_strsplit (columns[COCO_CLASSES], ",", -1);
      coco->n_classes = g_strv_length (classes);
      coco->classes = g_new (guint16, coco->n_classes);
      for (j = 0; j < coco->n_classes; j++)
        {
          guint64 class = g_ascii_strtoull (classes[j], NULL, 10);

          g_return_if_fail (class < DESCRY_N_CLASSES);
          coco->classes[j] = (guint16) class;
        }
    }
}

const DescryNouns *
descry_nouns (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      DescryNouns *nouns = g_new0 (DescryNouns, 1);

      noun_places = g_hash_table_new (g_str_hash, g_str_equal);
      read_nouns (nouns);
      read_coco (nouns);
      g_once_init_leave (&once, (gsize) nouns);
    }

  return (const DescryNouns *) once;
}

const char *
descry_nouns_group (const char *name)
{
  const DescryNouns *nouns = descry_nouns ();
  guint place = GPOINTER_TO_UINT (g_hash_table_lookup (noun_places, name));

  return place > 0 ? nouns->groups[nouns->nouns[place - 1].group] : name;
}

gboolean
descry_nouns_same_kind (const char *a,
                        const char *b)
{
  return strcmp (a, b) == 0 || strcmp (descry_nouns_group (a), descry_nouns_group (b)) == 0;
}
