/* gguf-hostile.c - GGUF files made to break their reader
 *
 * The classes of attack that other readers met: counts and products that wrap, sizes that lie,
 * alignments and types out of range, names missing, empty or twice, memory out of proportion.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/gguf.h"
#include "tests/unit/hostile.h"

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 };

/* Opens, reads every value and every tensor. */
static gboolean
read_gguf (const char *path,
           GError    **error)
{
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, error);
  gsize n;
  guint i;

  if (gguf == NULL)
    return FALSE;

  /* Asking for the wrong thing is answered too. */
  descry_gguf_get_ints (gguf, "t.kinds", &n, NULL);
  descry_gguf_get_strings (gguf, "t.words", &n, NULL);
  descry_gguf_get_floats (gguf, "t.scores", &n, NULL);
  descry_gguf_get_string (gguf, "general.architecture", NULL);

  for (i = 0; i < descry_gguf_n_tensors (gguf); i++)
    {
      const DescryGgufTensor *tensor = descry_gguf_tensor (gguf, i);
      gpointer bytes = descry_gguf_read (gguf, tensor, error);

      if (bytes == NULL)
        return FALSE;
      descry_free (bytes);
      g_assert_true (descry_gguf_find (gguf, tensor->name) == tensor);
    }

  return TRUE;
}

/* Where the integers of a file lie: offset and width. */
typedef struct
{
  GByteArray *bytes;
  GArray     *fields;
  gsize       header; /* end of the names, dimensions and offsets */
} File;

typedef struct
{
  gsize at;
  guint width;
} Place;

static void
put_field (File   *file,
           guint64 value,
           guint   width)
{
  Place place = { file->bytes->len, width };

  g_array_append_val (file->fields, place);
  put_number (file->bytes, value, width);
}

static void
put_name (File       *file,
          const char *name)
{
  put_field (file, strlen (name), 8);
  put_bytes (file->bytes, name, strlen (name));
}

static void
file_free (File *file)
{
  g_byte_array_unref (file->bytes);
  g_array_unref (file->fields);
  g_free (file);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (File, file_free)

/* A file with every kind of value and three tensors. */
static File *
make_file (void)
{
  File *file = g_new0 (File, 1);
  guint i;

  file->bytes = g_byte_array_new ();
  file->fields = g_array_new (FALSE, FALSE, sizeof (Place));

  put_bytes (file->bytes, "GGUF", 4);
  put_field (file, 3, 4);
  put_field (file, 3, 8);
  put_field (file, 9, 8);

  put_name (file, "general.architecture");
  put_field (file, STRING, 4);
  put_name (file, "tiny");
  put_name (file, "general.alignment");
  put_field (file, U32, 4);
  put_field (file, 8, 4);
  put_name (file, "t.eps");
  put_field (file, F32, 4);
  put_field (file, 0x3727c5ac, 4);
  put_name (file, "t.wide");
  put_field (file, F64, 4);
  put_field (file, 0x3ff0000000000000, 8);
  put_name (file, "t.flag");
  put_field (file, BOOL, 4);
  put_field (file, 1, 1);
  put_name (file, "t.kinds");
  put_field (file, ARRAY, 4);
  put_field (file, U16, 4);
  put_field (file, 3, 8);
  for (i = 0; i < 3; i++)
    put_field (file, i, 2);
  put_name (file, "t.words");
  put_field (file, ARRAY, 4);
  put_field (file, STRING, 4);
  put_field (file, 2, 8);
  put_name (file, "a");
  put_name (file, "cup");
  put_name (file, "t.scores");
  put_field (file, ARRAY, 4);
  put_field (file, F32, 4);
  put_field (file, 1, 8);
  put_field (file, 0, 4);
  put_name (file, "t.large");
  put_field (file, I64, 4);
  put_field (file, 5, 8);

  put_name (file, "a.weight");
  put_field (file, 2, 4);
  put_field (file, 3, 8);
  put_field (file, 2, 8);
  put_field (file, DESCRY_GGML_F32, 4);
  put_field (file, 0, 8);
  put_name (file, "b.weight");
  put_field (file, 1, 4);
  put_field (file, 32, 8);
  put_field (file, DESCRY_GGML_Q4_0, 4);
  put_field (file, 24, 8);
  put_name (file, "c.weight");
  put_field (file, 1, 4);
  put_field (file, 5, 8);
  put_field (file, DESCRY_GGML_F16, 4);
  put_field (file, 48, 8);

  file->header = file->bytes->len;
  while (file->bytes->len % 8 != 0)
    put_number (file->bytes, 0, 1);
  g_byte_array_set_size (file->bytes, file->bytes->len + 48 + 10);
  memset (file->bytes->data + file->bytes->len - 58, 0, 58);

  return file;
}

static void
test_sweep (void)
{
  g_autoptr (File) file = make_file ();
  guint taken = hostile_sweep (read_gguf, file->bytes->data, file->bytes->len, file->header, TRUE);

  /* Letters of names and values of keys may change; counts, lengths and types may not. */
  g_test_message ("%u changed files were taken", taken);
  g_assert_cmpuint (taken, >, 0);
}

static void
test_integers (void)
{
  g_autoptr (File) file = make_file ();
  guint i;

  for (i = 0; i < file->fields->len; i++)
    {
      const Place *place = &g_array_index (file->fields, Place, i);

      hostile_integer (read_gguf, file->bytes->data, file->bytes->len, place->at, place->width);
    }
}

/* Header, @n_keys keys and @n_tensors tensors announced, and then @rest. */
static gboolean
opens (guint64     n_tensors,
       guint64     n_keys,
       GByteArray *rest)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  put_bytes (bytes, "GGUF", 4);
  put_number (bytes, 3, 4);
  put_number (bytes, n_tensors, 8);
  put_number (bytes, n_keys, 8);
  put_bytes (bytes, rest->data, rest->len);
  return hostile_read (read_gguf, bytes->data, bytes->len);
}

static void
test_counts (void)
{
  static const guint64 counts[] = { 1, G_MAXUINT64, G_MAXUINT64 / 2, G_MAXUINT64 / 14, G_MAXUINT64 / 64, G_MAXUINT32, 100001, 1 << 20 };
  g_autoptr (GByteArray) none = g_byte_array_new ();
  g_autoptr (GByteArray) blank = g_byte_array_new ();
  guint i;

  g_assert_true (opens (0, 0, none));

  /* 160 bytes that ask for gigabytes. */
  g_byte_array_set_size (blank, 136);
  memset (blank->data, 0, blank->len);
  for (i = 0; i < G_N_ELEMENTS (counts); i++)
    {
      g_assert_false (opens (counts[i], 0, blank));
      g_assert_false (opens (0, counts[i], blank));
      g_assert_false (opens (counts[i], counts[i], blank));
    }
}

/* One tensor t of the given type and dimensions at offset 0, with @space bytes of data. */
static void
put_tensor (GByteArray    *out,
            const char    *name,
            guint32        type,
            guint          n_dims,
            const guint64 *dims,
            guint64        offset)
{
  guint i;

  put_string (out, name);
  put_number (out, n_dims, 4);
  for (i = 0; i < MIN (n_dims, 8); i++)
    put_number (out, dims[i], 8);
  put_number (out, type, 4);
  put_number (out, offset, 8);
}

static gboolean
tensor_opens (guint32        type,
              guint          n_dims,
              const guint64 *dims,
              guint64        offset,
              gsize          space)
{
  g_autoptr (GByteArray) rest = g_byte_array_new ();

  put_tensor (rest, "t", type, n_dims, dims, offset);
  while ((24 + rest->len) % 32 != 0)
    put_number (rest, 0, 1);
  while (space-- > 0)
    put_number (rest, 0, 1);
  return opens (1, 0, rest);
}

static void
test_dimensions (void)
{
  const guint64 large = G_MAXINT64;
  guint i;

  g_assert_true (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 0, 16));
  g_assert_true (tensor_opens (DESCRY_GGML_F32, 4, (guint64[]) { 4, 1, 1, 1 }, 0, 16));

  /* Cut by a byte; a byte more than the padding. */
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 0, 15));
  g_assert_true (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 0, 16 + 31));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 0, 16 + 32));

  /* Rank, zeros, products that wrap or pass the limit. */
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 0, NULL, 0, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 5, (guint64[]) { 1, 1, 1, 1, 1 }, 0, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, G_MAXUINT32, (guint64[]) { 1, 1, 1, 1, 1, 1, 1, 1 }, 0, 64));
  for (i = 0; i < 4; i++)
    {
      guint64 dims[4] = { 2, 2, 2, 2 };

      dims[i] = 0;
      g_assert_false (tensor_opens (DESCRY_GGML_F32, 4, dims, 0, 64));
    }
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 2, (guint64[]) { large, 2 }, 0, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 2, (guint64[]) { (guint64) 1 << 32, (guint64) 1 << 32 }, 0, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 4, (guint64[]) { 1 << 16, 1 << 16, 1 << 16, 1 << 16 }, 0, 64));
  for (i = 0; i < 3; i++)
    g_assert_false (tensor_opens (DESCRY_GGML_I8, 1, (guint64[]) { ((guint64) 1 << 40) - 1 + i }, 0, 64));

  /* Broken blocks, types that are none. */
  g_assert_false (tensor_opens (DESCRY_GGML_Q4_0, 1, (guint64[]) { 31 }, 0, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_Q4_0, 2, (guint64[]) { 16, 2 }, 0, 18));
  g_assert_false (tensor_opens (DESCRY_GGML_Q6_K, 1, (guint64[]) { 32 }, 0, 210));
  g_assert_false (tensor_opens (4, 1, (guint64[]) { 32 }, 0, 64));
  g_assert_false (tensor_opens (31, 1, (guint64[]) { 32 }, 0, 64));
  g_assert_false (tensor_opens (G_MAXUINT32, 1, (guint64[]) { 32 }, 0, 64));

  /* Offsets. */
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 32, 16));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, 1, 17));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, G_MAXUINT64 - 15, 64));
  g_assert_false (tensor_opens (DESCRY_GGML_F32, 1, (guint64[]) { 4 }, G_MAXUINT64 - 31, 64));
}

/* Sizes whose sum wraps, offsets that are swapped, overlapping, apart. */
static void
test_two_tensors (void)
{
  static const struct { guint64 first, second, offset_a, offset_b; gboolean good; } cases[] = {
    { 8, 8, 0, 32, TRUE },
    { 8, 8, 32, 0, FALSE },
    { 8, 8, 0, 0, FALSE },
    { 8, 8, 0, 8, FALSE },
    { 8, 8, 0, 64, FALSE },
    { 1, 1, 0, 32, TRUE }, /* less than one alignment is left */
    { (guint64) 1 << 40, (guint64) 1 << 40, 0, (guint64) 1 << 42, FALSE },
    { 8, (guint64) 1 << 40, 0, 32, FALSE },
    { G_MAXUINT64 / 4 - 7, 16, 0, G_MAXUINT64 - 31, FALSE },
    { G_MAXUINT64 / 4 + 1, 16, 0, 0, FALSE },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GByteArray) rest = g_byte_array_new ();

      put_tensor (rest, "a", DESCRY_GGML_F32, 1, &cases[i].first, cases[i].offset_a);
      put_tensor (rest, "b", DESCRY_GGML_F32, 1, &cases[i].second, cases[i].offset_b);
      while ((24 + rest->len) % 32 != 0)
        put_number (rest, 0, 1);
      g_byte_array_set_size (rest, rest->len + 64);
      memset (rest->data + rest->len - 64, 0, 64);
      g_test_message ("case %u", i);
      g_assert_true (opens (2, 0, rest) == cases[i].good);
    }
}

/* A key of the given type with these bytes as its value. */
static gboolean
key_opens (const char   *key,
           guint32       type,
           gconstpointer value,
           gsize         n)
{
  g_autoptr (GByteArray) rest = g_byte_array_new ();

  put_string (rest, key);
  put_number (rest, type, 4);
  put_bytes (rest, value, n);
  return opens (0, 1, rest);
}

static void
test_alignment (void)
{
  static const guint32 bad[] = { 0, 1, 3, 4, 7, 33, 48, 1u << 21, 1u << 31, G_MAXUINT32 };
  guint i, shift;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (key_opens ("general.alignment", U32, bad + i, 4));
  for (shift = 3; shift <= 20; shift++)
    g_assert_true (key_opens ("general.alignment", U32, (guint32[]) { 1u << shift }, 4));

  g_assert_false (key_opens ("general.alignment", I32, (guint32[]) { 32 }, 4));
  g_assert_false (key_opens ("general.alignment", U64, (guint64[]) { 32 }, 8));
  g_assert_false (key_opens ("general.alignment", STRING, "\2\0\0\0\0\0\0\0" "32", 10));
  g_assert_false (key_opens ("general.architecture", U32, (guint32[]) { 1 }, 4));
}

static void
test_array_types (void)
{
  static const guint8 width[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
  guint8 value[12 + 64] = { 0 };
  guint32 type;

  for (type = 0; type < 256; type++)
    {
      gsize n = type < G_N_ELEMENTS (width) ? width[type] * 2 : 64;
      guint64 count = GUINT64_TO_LE (2);

      memcpy (value, &type, 4);
      memcpy (value + 4, &count, 8);
      if (type == STRING)
        n = 16;
      g_assert_true (key_opens ("a", ARRAY, value, 12 + n) == (type < G_N_ELEMENTS (width) && type != ARRAY));
      g_assert_false (key_opens ("a", ARRAY, value, 12 + n - 1));
    }

  /* Counts whose product with the size of an element wraps. */
  for (type = 0; type < G_N_ELEMENTS (width); type++)
    {
      const guint64 counts[] = { G_MAXUINT64, G_MAXUINT64 / 2 + 1, G_MAXUINT64 / 4 + 1, G_MAXUINT64 / 8 + 1, G_MAXUINT64 / 16 + 1, 65 };
      guint i;

      for (i = 0; i < G_N_ELEMENTS (counts); i++)
        {
          memcpy (value, &type, 4);
          memcpy (value + 4, counts + i, 8);
          g_assert_false (key_opens ("a", ARRAY, value, sizeof value));
        }
    }

  g_assert_true (key_opens ("a", BOOL, "\1", 1));
  g_assert_false (key_opens ("a", BOOL, "\2", 1));
  g_assert_false (key_opens ("a", 13, value, 64));
  g_assert_false (key_opens ("a", G_MAXUINT32, value, 64));
}

static void
test_names (void)
{
  g_autofree char *longest = g_strnfill (65535, 'k');
  g_autofree char *longer = g_strnfill (65536, 'k');
  g_autoptr (GByteArray) twice = g_byte_array_new ();
  g_autoptr (GByteArray) tensors = g_byte_array_new ();
  guint i;

  g_assert_false (key_opens ("", U8, "\1", 1));
  g_assert_true (key_opens (longest, U8, "\1", 1));
  g_assert_false (key_opens (longer, U8, "\1", 1));
  g_assert_false (key_opens ("\xff\xfe", U8, "\1", 1));

  for (i = 0; i < 2; i++)
    {
      put_string (twice, "k");
      put_number (twice, U8, 4);
      put_number (twice, 1, 1);
      put_tensor (tensors, "t", DESCRY_GGML_F32, 1, (guint64[]) { 8 }, 32 * i);
    }
  g_assert_false (opens (0, 2, twice));
  g_byte_array_set_size (tensors, tensors->len + 128);
  memset (tensors->data + tensors->len - 128, 0, 128);
  g_assert_false (opens (2, 0, tensors));
}

static void
test_versions (void)
{
  guint8 bytes[24] = { 'G', 'G', 'U', 'F' };
  guint i;

  for (i = 0; i < 256; i++)
    {
      bytes[4] = (guint8) i;
      g_assert_true (hostile_read (read_gguf, bytes, sizeof bytes) == (i == 2 || i == 3));
    }

  /* Big-endian: the version's bytes the other way round. */
  memset (bytes + 4, 0, 20);
  bytes[7] = 3;
  g_assert_false (hostile_read (read_gguf, bytes, sizeof bytes));
  bytes[7] = 0;
  bytes[4] = 3;
  bytes[0] = 'g';
  g_assert_false (hostile_read (read_gguf, bytes, sizeof bytes));
}

/* As many records as fit: the bound on memory and time holds for the densest files too. */
static void
test_dense (void)
{
  g_autoptr (GByteArray) keys = g_byte_array_new ();
  g_autoptr (GByteArray) words = g_byte_array_new ();
  g_autoptr (GByteArray) tensors = g_byte_array_new ();
  const guint n = 100000;
  guint i;

  for (i = 0; i < n; i++)
    {
      char name[8];

      g_snprintf (name, sizeof name, "%x", i);
      put_string (keys, name);
      put_number (keys, U8, 4);
      put_number (keys, 1, 1);
    }
  g_assert_true (opens (0, n, keys));
  g_assert_false (opens (0, n + 1, keys));

  /* Empty strings, eight bytes each. */
  put_string (words, "w");
  put_number (words, ARRAY, 4);
  put_number (words, STRING, 4);
  put_number (words, n * 10, 8);
  g_byte_array_set_size (words, words->len + n * 80);
  memset (words->data + words->len - n * 80, 0, n * 80);
  g_assert_true (opens (0, 1, words));

  put_string (tensors, "general.alignment");
  put_number (tensors, U32, 4);
  put_number (tensors, 8, 4);
  for (i = 0; i < n; i++)
    {
      char name[8];

      g_snprintf (name, sizeof name, "%x", i);
      put_tensor (tensors, name, DESCRY_GGML_I8, 1, (guint64[]) { 1 }, i * 8);
    }
  while ((24 + tensors->len) % 8 != 0)
    put_number (tensors, 0, 1);
  g_byte_array_set_size (tensors, tensors->len + n * 8);
  memset (tensors->data + tensors->len - n * 8, 0, n * 8);
  g_assert_true (opens (n, 1, tensors));
}

/* The one function that computes sizes, against 128-bit arithmetic. */
static void
test_sizes (void)
{
  guint i;

  for (i = 0; i < 200000; i++)
    {
      guint32 type = g_test_rand_int_range (0, 31);
      guint shift = g_test_rand_int_range (0, 64);
      guint64 n = ((guint64) g_random_int () << 32 | g_random_int ()) >> shift;
      guint64 bytes = 0;
      guint block = descry_ggml_block (type);
      unsigned __int128 exact;

      if (block != 0)
        n -= n % block;
      exact = block != 0 ? (unsigned __int128) (n / block) * descry_ggml_block_bytes (type) : 0;
      if (block == 0 || exact > G_MAXUINT64)
        g_assert_false (descry_ggml_bytes (type, n, &bytes));
      else
        {
          g_assert_true (descry_ggml_bytes (type, n, &bytes));
          g_assert_true (bytes == (guint64) exact);
        }
    }
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/gguf-hostile/sweep", test_sweep);
  g_test_add_func ("/gguf-hostile/integers", test_integers);
  g_test_add_func ("/gguf-hostile/counts", test_counts);
  g_test_add_func ("/gguf-hostile/dimensions", test_dimensions);
  g_test_add_func ("/gguf-hostile/two-tensors", test_two_tensors);
  g_test_add_func ("/gguf-hostile/alignment", test_alignment);
  g_test_add_func ("/gguf-hostile/array-types", test_array_types);
  g_test_add_func ("/gguf-hostile/names", test_names);
  g_test_add_func ("/gguf-hostile/versions", test_versions);
  g_test_add_func ("/gguf-hostile/dense", test_dense);
  g_test_add_func ("/gguf-hostile/sizes", test_sizes);

  return g_test_run ();
}
