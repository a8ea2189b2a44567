/* gguf-get.c - metadata of an open GGUF file, by key
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-gguf"

#include "config.h"

#include "compute/files/gguf.h"

#include <math.h>
#include <string.h>

#include "compute/files/gguf-private.h"

static const DescryGgufEntry *
find_entry (DescryGguf *self,
            const char *key)
{
  int i = descry_names_find (&self->entry_names, key);

  return i >= 0 ? self->entries + i : NULL;
}

static gboolean
fail (DescryGguf *self,
      const char *key,
      const char *expected,
      const char *found,
      GError    **error)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: key '%s': %s expected, found %s",
               descry_gguf_path (self), key, expected, found);
  return FALSE;
}

/* The entry of @key if it has one of the types in @types, a set of bits. */
static const DescryGgufEntry *
want_entry (DescryGguf *self,
            const char *key,
            guint       types,
            const char *expected,
            GError    **error)
{
  const DescryGgufEntry *entry = find_entry (self, key);

  if (entry == NULL)
    fail (self, key, expected, "no such key", error);
  else if ((types & 1u << entry->type) == 0)
    fail (self, key, expected, descry_gguf_value_name (entry->type), error);
  else
    return entry;

  return NULL;
}

static DescryGgufEntry *
want_array (DescryGguf *self,
            const char *key,
            guint       elements,
            const char *expected,
            GError    **error)
{
  const DescryGgufEntry *entry = want_entry (self, key, 1u << VALUE_ARRAY, expected, error);
  g_autofree char *found = NULL;

  if (entry == NULL)
    return NULL;
  if ((elements & 1u << entry->element) != 0)
    return self->entries + (entry - self->entries);

  found = g_strdup_printf ("array of %s", descry_gguf_value_name (entry->element));
  fail (self, key, expected, found, error);
  return NULL;
}

gboolean
descry_gguf_has (DescryGguf *self,
                 const char *key)
{
  return find_entry (self, key) != NULL;
}

gboolean
descry_gguf_get_uint (DescryGguf *self,
                      const char *key,
                      guint64     min,
                      guint64     max,
                      guint64    *value,
                      GError    **error)
{
  const guint is_signed = 1u << VALUE_I8 | 1u << VALUE_I16 | 1u << VALUE_I32 | 1u << VALUE_I64;
  const guint is_unsigned = 1u << VALUE_U8 | 1u << VALUE_U16 | 1u << VALUE_U32 | 1u << VALUE_U64;
  const DescryGgufEntry *entry;
  gboolean negative;

  entry = want_entry (self, key, is_signed | is_unsigned, "a whole number", error);
  if (entry == NULL)
    return FALSE;

  negative = (is_signed & 1u << entry->type) != 0 && entry->i < 0;
  if (negative || entry->u < min || entry->u > max)
    {
      g_autofree char *expected = g_strdup_printf ("%" G_GUINT64_FORMAT "…%" G_GUINT64_FORMAT, min, max);
      g_autofree char *found = negative ? g_strdup_printf ("%" G_GINT64_FORMAT, entry->i)
                                        : g_strdup_printf ("%" G_GUINT64_FORMAT, entry->u);

      return fail (self, key, expected, found, error);
    }

  *value = entry->u;
  return TRUE;
}

gboolean
descry_gguf_get_float (DescryGguf *self,
                       const char *key,
                       double      min,
                       double      max,
                       float      *value,
                       GError    **error)
{
  const DescryGgufEntry *entry = want_entry (self, key, 1u << VALUE_F32 | 1u << VALUE_F64, "a number with a fraction", error);

  if (entry == NULL)
    return FALSE;

  /* Written so that NaN fails too. */
  if (!(entry->f >= min && entry->f <= max) || !isfinite ((float) entry->f))
    {
      g_autofree char *expected = g_strdup_printf ("%g…%g", min, max);
      g_autofree char *found = g_strdup_printf ("%g", entry->f);

      return fail (self, key, expected, found, error);
    }

  *value = (float) entry->f;
  return TRUE;
}

gboolean
descry_gguf_get_bool (DescryGguf *self,
                      const char *key,
                      gboolean   *value,
                      GError    **error)
{
  const DescryGgufEntry *entry = want_entry (self, key, 1u << VALUE_BOOL, "BOOL", error);

  if (entry == NULL)
    return FALSE;

  *value = entry->u != 0;
  return TRUE;
}

const char *
descry_gguf_get_string (DescryGguf *self,
                        const char *key,
                        GError    **error)
{
  const DescryGgufEntry *entry = want_entry (self, key, 1u << VALUE_STRING, "STRING", error);

  if (entry == NULL)
    return NULL;

  if (!g_utf8_validate_len (entry->string, entry->n, NULL))
    {
      fail (self, key, "UTF-8 text", "other bytes", error);
      return NULL;
    }

  return entry->string;
}

const DescryBytes *
descry_gguf_get_strings (DescryGguf *self,
                         const char *key,
                         gsize      *n,
                         GError    **error)
{
  const DescryGgufEntry *entry = want_array (self, key, 1u << VALUE_STRING, "array of STRING", error);

  if (entry == NULL)
    return NULL;

  *n = entry->n;
  return entry->array;
}

const float *
descry_gguf_get_floats (DescryGguf *self,
                        const char *key,
                        gsize      *n,
                        GError    **error)
{
  const DescryGgufEntry *entry = want_array (self, key, 1u << VALUE_F32, "array of FLOAT32", error);
  const float *values;
  guint64 i;

  if (entry == NULL)
    return NULL;

  values = entry->array;
  for (i = 0; i < entry->n; i++)
    if (!isfinite (values[i]))
      {
        fail (self, key, "finite numbers", "another", error);
        return NULL;
      }

  *n = entry->n;
  return values;
}

static gboolean
element_to_int (const DescryGgufEntry *entry,
                guint64                i,
                gint32                *value)
{
  switch (entry->element)
    {
    case VALUE_U8:
      *value = ((const guint8 *) entry->array)[i];
      return TRUE;
    case VALUE_I8:
      *value = ((const gint8 *) entry->array)[i];
      return TRUE;
    case VALUE_U16:
      *value = ((const guint16 *) entry->array)[i];
      return TRUE;
    case VALUE_I16:
      *value = ((const gint16 *) entry->array)[i];
      return TRUE;
    case VALUE_U32:
      *value = ((const gint32 *) entry->array)[i];
      return *value >= 0;
    default:
      *value = ((const gint32 *) entry->array)[i];
      return TRUE;
    }
}

const gint32 *
descry_gguf_get_ints (DescryGguf *self,
                      const char *key,
                      gsize      *n,
                      GError    **error)
{
  const guint fits = 1u << VALUE_U8 | 1u << VALUE_I8 | 1u << VALUE_U16 | 1u << VALUE_I16 | 1u << VALUE_U32 | 1u << VALUE_I32;
  DescryGgufEntry *entry = want_array (self, key, fits, "array of whole numbers of at most 32 bits", error);
  gint32 *values;
  guint64 i;

  if (entry == NULL)
    return NULL;

  if (entry->element != VALUE_I32)
    {
      values = descry_arena_alloc (&self->arena, entry->n, sizeof *values);
      if (values == NULL)
        {
          g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "%s: out of memory", descry_gguf_path (self));
          return NULL;
        }

      for (i = 0; i < entry->n; i++)
        if (!element_to_int (entry, i, values + i))
          {
            fail (self, key, "numbers below 2147483648", "a larger one", error);
            return NULL;
          }

      /* Kept in this form: asking again costs nothing. */
      entry->array = values;
      entry->element = VALUE_I32;
    }

  *n = entry->n;
  return entry->array;
}
