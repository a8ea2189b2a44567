/* safetensors.c - safetensors files written and read back, and broken ones refused
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "compute/files/safetensors.h"
#include "compute/memory.h"
#include "tests/unit/scratch.h"

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = scratch_path ("a.safetensors");
  g_autoptr (DescrySafetensorsWriter) writer = descry_safetensors_writer_new ();
  g_autoptr (DescrySafetensors) file = NULL;
  const float pixels[6] = { 1, 2, 3, -4, 5.5f, 6 };
  const guint16 halves[2] = { 0x3c00, 0xc000 };
  const gint64 ids[3] = { 1, -2, G_MAXINT64 };
  const guint8 mask[4] = { 0, 1, 255, 7 };
  const DescryStTensor *tensor;
  guint64 count;
  float *values;
  gint32 *numbers;

  descry_safetensors_writer_add (writer, "pixels", DESCRY_ST_F32, 3, (guint64[]) { 1, 2, 3 }, pixels);
  descry_safetensors_writer_add (writer, "halves", DESCRY_ST_F16, 1, (guint64[]) { 2 }, halves);
  descry_safetensors_writer_add (writer, "ids", DESCRY_ST_I64, 1, (guint64[]) { 3 }, ids);
  descry_safetensors_writer_add (writer, "one", DESCRY_ST_F32, 0, NULL, pixels + 4);
  descry_safetensors_writer_add (writer, "none", DESCRY_ST_F32, 2, (guint64[]) { 0, 4 }, NULL);
  descry_safetensors_writer_add (writer, "mask", DESCRY_ST_U8, 1, (guint64[]) { 4 }, mask);
  g_assert_true (descry_safetensors_writer_write (writer, path, &error));
  g_assert_no_error (error);

  file = descry_safetensors_open (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (descry_safetensors_n_tensors (file), ==, 6);

  tensor = descry_safetensors_find (file, "pixels");
  g_assert_cmpuint (tensor->n_dims, ==, 3);
  g_assert_cmpuint (tensor->dims[2], ==, 3);
  g_assert_cmpuint (tensor->count, ==, 6);
  values = descry_safetensors_read_f32 (file, "pixels", &count, &error);
  g_assert_cmpmem (values, count * 4, pixels, sizeof pixels);
  descry_free (values);

  values = descry_safetensors_read_f32 (file, "halves", &count, &error);
  g_assert_cmpuint (count, ==, 2);
  g_assert_cmpfloat (values[1], ==, -2);
  descry_free (values);

  values = descry_safetensors_read_f32 (file, "mask", &count, &error);
  g_assert_cmpfloat (values[2], ==, 255);
  descry_free (values);

  tensor = descry_safetensors_find (file, "one");
  g_assert_cmpuint (tensor->n_dims, ==, 1);
  g_assert_cmpuint (tensor->dims[0], ==, 1);
  tensor = descry_safetensors_find (file, "none");
  g_assert_cmpuint (tensor->count, ==, 0);
  values = descry_safetensors_read_f32 (file, "none", &count, &error);
  g_assert_nonnull (values);
  g_assert_cmpuint (count, ==, 0);
  descry_free (values);

  numbers = descry_safetensors_read_i32 (file, "mask", &count, &error);
  g_assert_cmpint (numbers[2], ==, 255);
  descry_free (numbers);
  g_assert_null (descry_safetensors_read_i32 (file, "ids", &count, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_null (descry_safetensors_read_i32 (file, "pixels", &count, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);
  g_assert_null (descry_safetensors_read_f32 (file, "absent", &count, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
}

/* A header as given, followed by @n bytes of data. */
static gboolean
opens (const char *header,
       gsize       n,
       GError    **error)
{
  g_autofree char *path = scratch_path ("b.safetensors");
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (DescrySafetensors) file = NULL;
  guint64 length = GUINT64_TO_LE ((guint64) strlen (header));

  g_byte_array_append (bytes, (const guint8 *) &length, sizeof length);
  g_byte_array_append (bytes, (const guint8 *) header, strlen (header));
  g_byte_array_set_size (bytes, bytes->len + n);
  scratch_write (path, bytes->data, bytes->len);

  file = descry_safetensors_open (path, error);
  return file != NULL;
}

static void
test_refused (void)
{
  static const struct { const char *header; gsize n; } bad[] = {
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7 }, /* cut */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9 }, /* garbage behind */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,2],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}", 8 },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6 }, /* overlap */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[6,10]}}", 10 }, /* hole */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8 }, /* twice */
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4 },
    { "{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4 },
    { "{\"__metadata__\":{\"a\":[[[[[[[[\"deep\"]]]]]]]]}}", 0 },
    { "[]", 0 },
    { "{}x", 0 },
    { "{\"a\":18446744073709551616}", 0 },
    { "", 0 },
  };
  g_autoptr (GError) none = NULL;
  guint i, live = descry_memory_live ();

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s + %u bytes", bad[i].header, (guint) bad[i].n);
      g_assert_false (opens (bad[i].header, bad[i].n, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_assert_cmpuint (descry_memory_live (), ==, live);
    }

  g_assert_true (opens ("{\"__metadata__\":{\"a\":\"b\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ", 8, &none));
  g_assert_no_error (none);
}

/* 200,000 arrays within one another, and a header that claims more than there is. */
static void
test_extremes (void)
{
  g_autoptr (GString) deep = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = scratch_path ("c.safetensors");
  guint64 lengths[] = { 0, 1, 9, 100000001, G_MAXUINT64, G_MAXUINT64 - 7, G_MAXINT64 };
  guint i;

  for (i = 0; i < 200000; i++)
    g_string_append_c (deep, '[');
  g_assert_false (opens (deep->str, 0, &error));
  g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
  g_clear_error (&error);

  for (i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      guint8 file[16] = { 0 };
      guint64 length = GUINT64_TO_LE (lengths[i]);

      memcpy (file, &length, sizeof length);
      scratch_write (path, file, sizeof file);
      g_assert_null (descry_safetensors_open (path, &error));
      g_assert_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD);
      g_clear_error (&error);
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/safetensors/round-trip", test_round_trip);
  g_test_add_func ("/safetensors/refused", test_refused);
  g_test_add_func ("/safetensors/extremes", test_extremes);

  return scratch_run ();
}
