/* annotations.c - training pictures from a folder and annotations in the usual formats
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-train"

#include "config.h"

#include "compute/train/annotations.h"

#include <math.h>
#include <string.h>

#include "compute/files/io.h"
#include "compute/files/json.h"
#include "compute/memory.h"
#include "compute/train/references.h"

#define FILE_LIMIT   ((guint64) 1 << 31)
#define RECORD_LIMIT ((gsize) 1 << 24)
#define DEPTH        16
#define TEXT_LIMIT   8192
#define LIST_LIMIT   1024 /* objects, captions, questions of a picture */
#define FAR          1e6

struct _DescryAnnotations
{
  gboolean                refuse;
  DescryAnnotationProblem problem;
  gpointer                data;
  guint                   skipped;
  GPtrArray              *pictures; /* of DescryPicture */
  GHashTable             *by_key; /* "coco 139" or "file a.jpg" -> picture */
  GHashTable             *categories; /* "18" -> char * */
  GHashTable             *boxes; /* annotation id -> Reference, for RefCOCO */
};

typedef struct { char *image; guint index; } Reference;

static void
free_reference (gpointer data)
{
  Reference *reference = data;

  g_free (reference->image);
  g_free (reference);
}

gboolean
descry_annotation_kind_parse (const char           *name,
                              DescryAnnotationKind *kind)
{
  static const char *const names[] = { "coco", "refcoco", "vg", "llava", "lines" };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_strcmp0 (name, names[i]) == 0)
      {
        *kind = (DescryAnnotationKind) i;
        return TRUE;
      }

  return FALSE;
}

DescryAnnotations *
descry_annotations_new (gboolean                refuse,
                        DescryAnnotationProblem problem,
                        gpointer                data)
{
  DescryAnnotations *annotations = g_new0 (DescryAnnotations, 1);

  annotations->refuse = refuse;
  annotations->problem = problem;
  annotations->data = data;
  annotations->pictures = g_ptr_array_new_with_free_func ((GDestroyNotify) descry_picture_free);
  annotations->by_key = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  annotations->categories = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  annotations->boxes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_reference);

  return annotations;
}

void
descry_annotations_free (DescryAnnotations *annotations)
{
  if (annotations == NULL)
    return;

  g_ptr_array_unref (annotations->pictures);
  g_hash_table_unref (annotations->by_key);
  g_hash_table_unref (annotations->categories);
  g_hash_table_unref (annotations->boxes);
  g_free (annotations);
}

guint
descry_annotations_skipped (DescryAnnotations *annotations)
{
  return annotations->skipped;
}

/* What a record's reader says when it is wrong; NULL: it is right. */
typedef const char *(*ReadRecord) (DescryAnnotations *annotations, json_t *json);

/* --- values ------------------------------------------------------------------------------------------------ */

static const char *
get_text (json_t     *json,
          const char *key)
{
  json_t *value = json_object_get (json, key);

  return json_is_string (value) && json_string_length (value) > 0 && json_string_length (value) <= TEXT_LIMIT ? json_string_value (value) : NULL;
}

/* An id, number or text; (transfer full), NULL: none. */
static char *
get_id (json_t     *json,
        const char *prefix,
        const char *key)
{
  json_t *value = json_object_get (json, key);

  if (json_is_integer (value))
    return g_strdup_printf ("%s %" JSON_INTEGER_FORMAT, prefix, json_integer_value (value));
  if (json_is_string (value) && json_string_length (value) <= 256)
    return g_strdup_printf ("%s %s", prefix, json_string_value (value));
  return NULL;
}

static gboolean
get_numbers (json_t *list,
             double *values,
             guint   n)
{
  guint i;

  if (json_array_size (list) != n)
    return FALSE;
  for (i = 0; i < n; i++)
    {
      json_t *value = json_array_get (list, i);

      if (!json_is_number (value) || !(fabs (json_number_value (value)) <= FAR))
        return FALSE;
      values[i] = json_number_value (value);
    }

  return TRUE;
}

/* x, y and sizes under their names. */
static gboolean
get_box (json_t     *json,
         const char *width,
         const char *height,
         DescryBox  *box)
{
  const char *keys[] = { "x", "y", width, height };
  double values[4];
  guint i;

  for (i = 0; i < 4; i++)
    {
      json_t *value = json_object_get (json, keys[i]);

      if (!json_is_number (value) || !(fabs (json_number_value (value)) <= FAR))
        return FALSE;
      values[i] = json_number_value (value);
    }
  *box = (DescryBox) { (float) values[0], (float) values[1], (float) (values[0] + values[2]), (float) (values[1] + values[3]) };

  return values[2] > 0.0 && values[3] > 0.0;
}

/* A file below the folder and nowhere else. */
static gboolean
is_inside (const char *file)
{
  g_auto (GStrv) parts = NULL;
  guint i;

  if (g_path_is_absolute (file) || strlen (file) > 1024)
    return FALSE;
  parts = g_strsplit (file, "/", -1);
  for (i = 0; parts[i] != NULL; i++)
    if (strcmp (parts[i], "..") == 0 || *parts[i] == '\0')
      return FALSE;

  return TRUE;
}

/* --- pictures ---------------------------------------------------------------------------------------------- */

/* The picture of @key, new if there is none; @file (nullable) becomes its name. */
static DescryPicture *
find_picture (DescryAnnotations *annotations,
              const char        *key,
              const char        *file)
{
  DescryPicture *picture = g_hash_table_lookup (annotations->by_key, key);

  if (picture == NULL)
    {
      picture = descry_picture_new (file, 1, 1);
      g_ptr_array_add (annotations->pictures, picture);
      g_hash_table_insert (annotations->by_key, g_strdup (key), picture);
    }
  else if (file != NULL && picture->name == NULL)
    picture->name = g_strdup (file);

  return picture;
}

static gboolean
add_object (DescryPicture *picture,
            DescryBox      box,
            const char    *noun,
            const char    *color)
{
  if (picture->objects->len >= LIST_LIMIT)
    return FALSE;
  descry_picture_add_object (picture, box, noun, color);
  return TRUE;
}

static gboolean
add_caption (DescryPicture *picture,
             const char    *caption)
{
  if (picture->captions->len >= LIST_LIMIT)
    return FALSE;
  g_ptr_array_add (picture->captions, g_strstrip (g_strdup (caption)));
  return TRUE;
}

static gboolean
add_question (DescryPicture *picture,
              const char    *kind,
              const char    *question,
              const char    *answer,
              gint           pointed)
{
  const guint index = (guint) pointed;

  if (picture->questions->len >= LIST_LIMIT)
    return FALSE;
  descry_picture_add_question (picture, kind, question, "", answer, &index, pointed >= 0 ? 1 : 0, TRUE);
  return TRUE;
}

#define TOO_MANY "more than 1024 entries for one picture"

/* --- COCO -------------------------------------------------------------------------------------------------- */

static const char *
read_coco_image (DescryAnnotations *annotations,
                 json_t            *json)
{
  g_autofree char *key = get_id (json, "coco", "id");
  const char *file = get_text (json, "file_name");

  if (key == NULL)
    return "id is missing";
  if (file == NULL || !is_inside (file))
    return "file_name is missing or leaves the folder";
  find_picture (annotations, key, file);
  return NULL;
}

static const char *
read_coco_category (DescryAnnotations *annotations,
                    json_t            *json)
{
  char *key = get_id (json, "category", "id");
  const char *name = get_text (json, "name");

  if (key == NULL || name == NULL)
    {
      g_free (key);
      return "id or name is missing";
    }
  g_hash_table_replace (annotations->categories, key, g_strdup (name));
  return NULL;
}

static const char *
read_coco_annotation (DescryAnnotations *annotations,
                      json_t            *json)
{
  g_autofree char *image = get_id (json, "coco", "image_id"), *category = get_id (json, "category", "category_id"), *id = get_id (json, "box", "id");
  const char *caption = get_text (json, "caption"), *name = category != NULL ? g_hash_table_lookup (annotations->categories, category) : NULL;
  DescryPicture *picture;
  double b[4];

  if (image == NULL)
    return "image_id is missing";
  if (caption != NULL)
    return add_caption (find_picture (annotations, image, NULL), caption) ? NULL : TOO_MANY;
  if (json_object_get (json, "caption") != NULL)
    return "caption is empty, too long or no text";
  if (json_integer_value (json_object_get (json, "iscrowd")) != 0)
    return NULL; /* a box of many is no object */
  if (!get_numbers (json_object_get (json, "bbox"), b, 4) || b[2] <= 0.0 || b[3] <= 0.0)
    return "neither a caption nor a bbox of four numbers";
  if (name == NULL)
    return "category_id names no category";
  picture = find_picture (annotations, image, NULL);
  if (!add_object (picture, (DescryBox) { (float) b[0], (float) b[1], (float) (b[0] + b[2]), (float) (b[1] + b[3]) }, name, NULL))
    return TOO_MANY;
  if (id != NULL)
    {
      Reference *reference = g_new0 (Reference, 1);

      reference->image = g_strdup (image);
      reference->index = picture->objects->len - 1;
      g_hash_table_replace (annotations->boxes, g_steal_pointer (&id), reference);
    }
  return NULL;
}

static const char *
read_reference (DescryAnnotations *annotations,
                json_t            *json)
{
  g_autofree char *id = get_id (json, "box", "ann_id");
  const Reference *reference = id != NULL ? g_hash_table_lookup (annotations->boxes, id) : NULL;
  json_t *sentences = json_object_get (json, "sentences");
  DescryPicture *picture;
  gsize i;

  if (reference == NULL)
    return "ann_id names no box of the instances";
  if (!json_is_array (sentences) || json_array_size (sentences) > LIST_LIMIT)
    return "sentences is missing";
  picture = g_hash_table_lookup (annotations->by_key, reference->image);
  for (i = 0; i < json_array_size (sentences); i++)
    {
      const char *sentence = get_text (json_array_get (sentences, i), "sent");
      g_autofree char *question = NULL;

      if (sentence == NULL)
        return "a sentence without sent";
      question = g_strdup_printf ("Where is %s? answer in [x0,y0,x1,y1] format.", sentence);
      if (!add_question (picture, DESCRY_ANNOTATION_REFER, question, "", (gint) reference->index))
        return TOO_MANY;
    }
  return NULL;
}

/* --- Visual Genome ----------------------------------------------------------------------------------------- */

static DescryPicture *
genome_picture (DescryAnnotations *annotations,
                json_t            *json)
{
  g_autofree char *key = get_id (json, "vg", "image_id"), *file = NULL;
  const char *url = get_text (json, "url");

  if (key == NULL)
    key = get_id (json, "vg", "id");
  if (key == NULL)
    return NULL;
  if (url == NULL)
    url = get_text (json, "image_url");
  file = url != NULL ? g_path_get_basename (url) : g_strdup_printf ("%s.jpg", key + strlen ("vg "));
  return is_inside (file) ? find_picture (annotations, key, file) : NULL;
}

static const char *
read_genome (DescryAnnotations *annotations,
             json_t            *json)
{
  DescryPicture *picture = genome_picture (annotations, json);
  json_t *objects = json_object_get (json, "objects"), *regions = json_object_get (json, "regions"), *answers = json_object_get (json, "qas");
  DescryBox box;
  gsize i;

  if (picture == NULL)
    return "image_id is missing or leaves the folder";
  for (i = 0; i < json_array_size (objects); i++)
    {
      json_t *object = json_array_get (objects, i);
      const char *name = json_string_value (json_array_get (json_object_get (object, "names"), 0));

      if (name == NULL)
        name = get_text (object, "name");
      if (name == NULL || *name == '\0' || strlen (name) > 256 || !get_box (object, "w", "h", &box))
        return "an object without names, x, y, w and h";
      if (!add_object (picture, box, name, NULL))
        return TOO_MANY;
    }
  for (i = 0; i < json_array_size (regions); i++)
    {
      const char *phrase = get_text (json_array_get (regions, i), "phrase");

      if (phrase == NULL)
        return "a region without phrase";
      if (!add_caption (picture, phrase))
        return TOO_MANY;
    }
  for (i = 0; i < json_array_size (answers); i++)
    {
      const char *question = get_text (json_array_get (answers, i), "question"), *answer = get_text (json_array_get (answers, i), "answer");

      if (question == NULL || answer == NULL)
        return "qas without question and answer";
      if (!add_question (picture, "question", question, answer, -1))
        return TOO_MANY;
    }
  return NULL;
}

/* --- LLaVA and lines --------------------------------------------------------------------------------------- */

static DescryPicture *
file_picture (DescryAnnotations *annotations,
              json_t            *json)
{
  const char *file = get_text (json, "image");
  g_autofree char *key = NULL;

  if (file == NULL || !is_inside (file))
    return NULL;
  key = g_strconcat ("file ", file, NULL);
  return find_picture (annotations, key, file);
}

static const char *
read_llava (DescryAnnotations *annotations,
            json_t            *json)
{
  DescryPicture *picture = file_picture (annotations, json);
  json_t *turns = json_object_get (json, "conversations");
  gsize i;

  if (picture == NULL)
    return "image is missing or leaves the folder";
  if (json_array_size (turns) < 2)
    return "conversations is missing";
  for (i = 0; i + 1 < json_array_size (turns); i += 2)
    {
      json_t *human = json_array_get (turns, i), *other = json_array_get (turns, i + 1);
      const char *question = get_text (human, "value"), *answer = get_text (other, "value");
      g_auto (GStrv) parts = NULL;
      g_autofree char *bare = NULL;

      if (question == NULL || answer == NULL || g_strcmp0 (get_text (human, "from"), "human") != 0 || g_strcmp0 (get_text (other, "from"), "gpt") != 0)
        return "conversations are not human and gpt by turns";
      parts = g_strsplit (question, "<image>", -1);
      bare = g_strstrip (g_strjoinv (" ", parts));
      if (!add_question (picture, "instruction", bare, answer, -1))
        return TOO_MANY;
    }
  return NULL;
}

static const char *
read_line_lists (DescryPicture *picture,
                 json_t        *json)
{
  json_t *objects = json_object_get (json, "objects"), *captions = json_object_get (json, "captions"), *questions = json_object_get (json, "questions");
  const guint first = picture->objects->len;
  gsize i;

  for (i = 0; i < json_array_size (objects); i++)
    {
      json_t *object = json_array_get (objects, i);
      const char *name = get_text (object, "name");
      double b[4];

      if (name == NULL || !get_numbers (json_object_get (object, "box"), b, 4) || !(b[0] < b[2]) || !(b[1] < b[3]))
        return "an object without name and box of four rising numbers";
      if (!add_object (picture, (DescryBox) { (float) b[0], (float) b[1], (float) b[2], (float) b[3] }, name, get_text (object, "color")))
        return TOO_MANY;
    }
  for (i = 0; i < json_array_size (captions); i++)
    {
      const char *caption = json_string_value (json_array_get (captions, i));

      if (caption == NULL || strlen (caption) > TEXT_LIMIT)
        return "captions is no list of texts";
      if (!add_caption (picture, caption))
        return TOO_MANY;
    }
  for (i = 0; i < json_array_size (questions); i++)
    {
      json_t *entry = json_array_get (questions, i), *object = json_object_get (entry, "object");
      const char *question = get_text (entry, "question"), *answer = get_text (entry, "answer"), *kind = get_text (entry, "kind");

      if (question == NULL || answer == NULL)
        return "a question without question and answer";
      if (object != NULL && (!json_is_integer (object) || json_integer_value (object) < 0 || json_integer_value (object) >= (json_int_t) json_array_size (objects)))
        return "a question about an object that is not in the line";
      if (!add_question (picture, kind != NULL ? kind : "question", question, answer, object != NULL ? (gint) (first + (guint) json_integer_value (object)) : -1))
        return TOO_MANY;
    }
  return NULL;
}

static const char *
read_line (DescryAnnotations *annotations,
           json_t            *json)
{
  DescryPicture *picture = file_picture (annotations, json);
  const char *caption = get_text (json, "caption"), *scene = get_text (json, "scene");

  if (picture == NULL)
    return "image is missing or leaves the folder";
  if (caption != NULL && !add_caption (picture, caption))
    return TOO_MANY;
  if (scene != NULL && picture->scene == NULL)
    picture->scene = g_strdup (scene);
  return read_line_lists (picture, json);
}

/* --- scanning ---------------------------------------------------------------------------------------------- */

typedef struct
{
  DescryAnnotations *annotations;
  const char        *text, *path;
  gsize              length, at;
} Scan;

static void
skip_blanks (Scan *scan)
{
  while (scan->at < scan->length && strchr (" \t\r\n", scan->text[scan->at]) != NULL && scan->text[scan->at] != '\0')
    scan->at++;
}

/* Behind the value that begins here, by brackets and quotes alone; FALSE: it has no end. */
static gboolean
skip_value (Scan *scan)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  skip_blanks (scan);
  for (; scan->at < scan->length; scan->at++)
    {
      char c = scan->text[scan->at];

      if (in_string)
        {
          if (c == '\\')
            scan->at++;
          else if (c == '"' && (in_string = FALSE, depth == 0))
            {
              scan->at++;
              return TRUE;
            }
        }
      else if (c == '"')
        in_string = TRUE;
      else if (c == '{' || c == '[')
        depth++;
      else if (c == '}' || c == ']')
        {
          if (depth == 0)
            return TRUE; /* of what is around a bare number */
          if (--depth == 0)
            {
              scan->at++;
              return TRUE;
            }
        }
      else if (c == ',' && depth == 0)
        return TRUE;
    }
  scan->at = MIN (scan->at, scan->length);

  return FALSE;
}

static gboolean
fail (Scan       *scan,
      const char *where,
      const char *what,
      GError    **error)
{
  g_autofree char *message = g_strdup_printf ("%s: %s: %s", scan->path, where, what);

  if (scan->annotations->refuse)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_FAILED, "%s", message);
      return FALSE;
    }
  scan->annotations->skipped++;
  if (scan->annotations->problem != NULL)
    scan->annotations->problem (message, scan->annotations->data);

  return TRUE;
}

static gboolean
read_record (Scan       *scan,
             gsize       start,
             gsize       end,
             const char *where,
             ReadRecord  read,
             GError    **error)
{
  g_autoptr (GError) failure = NULL;
  json_t *json;
  const char *wrong;

  if (end - start > RECORD_LIMIT)
    return fail (scan, where, "longer than 16 MiB", error);
  json = descry_files_json_parse (scan->text + start, end - start, DEPTH, where, &failure);
  if (json == NULL)
    {
      /* The parser's message names the place as well. */
      const char *message = failure->message;

      return fail (scan, where, g_str_has_prefix (message, where) ? message + strlen (where) + strspn (message + strlen (where), ": ") : message, error);
    }
  wrong = json_is_object (json) ? read (scan->annotations, json) : "no object";
  json_decref (json);

  return wrong == NULL || fail (scan, where, wrong, error);
}

/* The elements of the list that begins here. */
static gboolean
read_list (Scan       *scan,
           const char *name,
           ReadRecord  read,
           GError    **error)
{
  guint64 i;

  skip_blanks (scan);
  if (scan->at >= scan->length || scan->text[scan->at] != '[')
    return fail (scan, *name != '\0' ? name : "the file", "no list", error);
  scan->at++;
  for (i = 0;; i++)
    {
      g_autofree char *where = g_strdup_printf ("%s[%" G_GUINT64_FORMAT "]", name, i);
      gsize start;

      skip_blanks (scan);
      if (scan->at < scan->length && scan->text[scan->at] == ']')
        {
          scan->at++;
          return TRUE;
        }
      start = scan->at;
      if (!skip_value (scan) || scan->at == start)
        {
          scan->at = scan->length;
          return fail (scan, where, "the file ends within it", error);
        }
      if (!read_record (scan, start, scan->at, where, read, error))
        return FALSE;
      skip_blanks (scan);
      if (scan->at < scan->length && scan->text[scan->at] == ',')
        scan->at++;
    }
}

/* The lists of a COCO object that are wanted, in the order in which they are needed, wherever they lie. */
static gboolean
read_coco (Scan    *scan,
           GError **error)
{
  static const struct { const char *key; ReadRecord read; } lists[] = {
    { "categories", read_coco_category }, { "images", read_coco_image }, { "annotations", read_coco_annotation },
  };
  gsize places[G_N_ELEMENTS (lists)] = { 0 };
  guint i;

  skip_blanks (scan);
  if (scan->at >= scan->length || scan->text[scan->at] != '{')
    return fail (scan, "the file", "no object", error);
  scan->at++;
  while (scan->at < scan->length && scan->text[scan->at] != '}')
    {
      gsize start, end;

      skip_blanks (scan);
      start = scan->at;
      if (scan->at >= scan->length || scan->text[scan->at] != '"' || !skip_value (scan))
        break;
      end = scan->at;
      skip_blanks (scan);
      if (scan->at >= scan->length || scan->text[scan->at] != ':')
        break;
      scan->at++;
      for (i = 0; i < G_N_ELEMENTS (lists); i++)
        if (end - start == strlen (lists[i].key) + 2 && memcmp (scan->text + start + 1, lists[i].key, end - start - 2) == 0)
          places[i] = scan->at;
      if (!skip_value (scan))
        break;
      skip_blanks (scan);
      if (scan->at < scan->length && scan->text[scan->at] == ',')
        scan->at++;
      skip_blanks (scan);
    }
  for (i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      if (places[i] == 0)
        continue;
      scan->at = places[i];
      if (!read_list (scan, lists[i].key, lists[i].read, error))
        return FALSE;
    }
  if (places[2] == 0)
    return fail (scan, "the file", "no annotations", error);

  return TRUE;
}

static gboolean
read_lines (Scan    *scan,
            GError **error)
{
  guint64 line;

  for (line = 1; scan->at < scan->length; line++)
    {
      const char *end = memchr (scan->text + scan->at, '\n', scan->length - scan->at);
      gsize start = scan->at, stop = end != NULL ? (gsize) (end - scan->text) : scan->length;
      g_autofree char *where = g_strdup_printf ("line %" G_GUINT64_FORMAT, line);

      scan->at = start;
      skip_blanks (scan);
      if (scan->at < stop && !read_record (scan, start, stop, where, read_line, error))
        return FALSE;
      scan->at = stop + 1;
    }

  return TRUE;
}

static gboolean
take_reference (json_t     *json,
                const char *where,
                const char *wrong,
                gpointer    data,
                GError    **error)
{
  Scan *scan = data;

  if (wrong == NULL)
    wrong = json_is_object (json) ? read_reference (scan->annotations, json) : "no object";
  return wrong == NULL || fail (scan, where, wrong, error);
}

/* As JSON, or as RefCOCO publishes it; no pickle begins with a bracket that opens. */
static gboolean
read_references (Scan    *scan,
                 GError **error)
{
  g_autoptr (GError) failure = NULL;

  skip_blanks (scan);
  if (scan->at >= scan->length || scan->text[scan->at] == '[')
    return read_list (scan, "", read_reference, error);
  /* What a record's reader refused has an error of its own, and is told already. */
  if (descry_references_read (scan->text, scan->length, scan->path, take_reference, scan, &failure))
    return TRUE;
  if (scan->annotations->refuse)
    {
      g_propagate_error (error, g_steal_pointer (&failure));
      return FALSE;
    }

  return fail (scan, "the file", failure->message + (g_str_has_prefix (failure->message, scan->path) ? strlen (scan->path) + 2 : 0), error);
}

gboolean
descry_annotations_parse (DescryAnnotations   *annotations,
                          DescryAnnotationKind kind,
                          const char          *text,
                          gsize                length,
                          const char          *path,
                          GError             **error)
{
  Scan scan = { annotations, text, path, length, 0 };

  switch (kind)
    {
    case DESCRY_ANNOTATION_COCO:
      return read_coco (&scan, error);
    case DESCRY_ANNOTATION_REFCOCO:
      return read_references (&scan, error);
    case DESCRY_ANNOTATION_VISUAL_GENOME:
      return read_list (&scan, "", read_genome, error);
    case DESCRY_ANNOTATION_LLAVA:
      return read_list (&scan, "", read_llava, error);
    case DESCRY_ANNOTATION_LINES:
    default:
      return read_lines (&scan, error);
    }
}

gboolean
descry_annotations_add (DescryAnnotations   *annotations,
                        DescryAnnotationKind kind,
                        const char          *path,
                        GError             **error)
{
  gsize n;
  guint8 *text = descry_file_read_all (path, FILE_LIMIT, &n, error);
  gboolean ok = text != NULL && descry_annotations_parse (annotations, kind, (const char *) text, n, path, error);

  descry_free (text);
  return ok;
}

GPtrArray *
descry_annotations_pictures (DescryAnnotations *annotations)
{
  guint i;

  /* Annotations may name images that no list describes. */
  for (i = annotations->pictures->len; i-- > 0;)
    {
      DescryPicture *picture = g_ptr_array_index (annotations->pictures, i);

      if (picture->name != NULL && (picture->scene != NULL || picture->captions->len + picture->objects->len + picture->questions->len > 0))
        continue;
      g_hash_table_remove_all (annotations->by_key);
      g_hash_table_remove_all (annotations->boxes);
      g_ptr_array_remove_index (annotations->pictures, i);
    }

  return annotations->pictures;
}
