/* torch-hostile.c - torch files made to run something, or to break their reader
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/files/convert/source.h"
#include "tests/unit/hostile.h"

#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n"
#define DICT "ccollections\nOrderedDict\n)R"

/* A pickle as text: the pieces a string literal gives, zeros included. */
#define P(text) (text), sizeof (text) - 1

static gboolean
read_source (const char *path,
             GError    **error)
{
  g_autoptr (DescrySource) source = descry_source_open (path, NULL, error);

  return source != NULL;
}

/* The stream format: magic, version, facts, the object, the keys, the storages. */
static GByteArray *
make_stream (gconstpointer object,
             gsize         n,
             gconstpointer keys,
             gsize         n_keys,
             gconstpointer storages,
             gsize         n_storages)
{
  GByteArray *bytes = g_byte_array_new ();

  put_bytes (bytes, P ("\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."));
  put_bytes (bytes, P ("\x80\2M\xe9\3."));
  put_bytes (bytes, P ("\x80\2}(X\x0d\0\0\0little_endian\x88u."));
  put_bytes (bytes, P ("\x80\2"));
  put_bytes (bytes, object, n);
  put_bytes (bytes, keys, n_keys);
  put_bytes (bytes, storages, n_storages);
  return bytes;
}

static gboolean
stream_opens (gconstpointer object,
              gsize         n,
              gconstpointer keys,
              gsize         n_keys,
              gconstpointer storages,
              gsize         n_storages)
{
  g_autoptr (GByteArray) bytes = make_stream (object, n, keys, n_keys, storages, n_storages);

  /* A value on the machine's stack takes 16 bytes, and one byte of a pickle can push one. */
  return hostile_read_path (read_source, hostile_file (bytes->data, bytes->len), bytes->len, 32);
}

/* An object that refers to no storage. */
static gboolean
object_opens (gconstpointer object,
              gsize         n)
{
  return stream_opens (object, n, P ("\x80\2]."), NULL, 0);
}

/* One tensor 'a' over storage '0' of four floats; offset, size, stride and the end of its arguments as given. */
static gboolean
tensor_opens (gconstpointer arguments,
              gsize         n)
{
  g_autoptr (GByteArray) object = g_byte_array_new ();

  put_bytes (object, P ("}X\1\0\0\0a" TENSOR "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\4NtQ"));
  put_bytes (object, arguments, n);
  put_bytes (object, P ("tRs."));
  return stream_opens (object->data, object->len, P ("\x80\2]X\1\0\0\0" "0a."),
                       P ("\4\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
}

static void
test_good (void)
{
  g_assert_true (object_opens (P ("}.")));
  g_assert_true (object_opens (P (DICT ".")));
  g_assert_true (tensor_opens (P ("K\0K\4\x85K\1\x85\x89" DICT)));
  g_assert_true (tensor_opens (P ("K\0K\2K\2\x86K\1K\2\x86\x89" DICT)));
  g_assert_true (tensor_opens (P ("K\3))\x89" DICT)));
  g_assert_true (tensor_opens (P ("K\0K\0\x85K\1\x85\x89" DICT)));
}

/* Programs: every opcode that is not for data, every name that is not ours. */
static void
test_programs (void)
{
  static const struct { const char *bytes; gsize n; } bad[] = {
    { P ("cos\nsystem\n(X\2\0\0\0idtR.") },
    { P ("cposix\nsystem\n(X\2\0\0\0idtR.") },
    { P ("c__builtin__\neval\n(X\1\0\0\0" "1tR.") },
    { P ("ctorch\nload\n)R.") },
    { P ("ctorch._utils\n_rebuild_tensor\n)R.") },
    { P ("ctorch\nFloatStorage.evil\n)R.") },
    { P ("ctorch\nFloatStorage\n)R.") },
    { P ("ccollections\nOrderedDict\n(K\1tR.") },
    { P ("ccollections\nOrderedDict\n.") },
    { P ("X\2\0\0\0osX\6\0\0\0system\x93)R.") }, /* STACK_GLOBAL */
    { P ("(ios\nsystem\n.") },                    /* INST */
    { P ("(cos\nsystem\no.") },                   /* OBJ */
    { P ("ccollections\nOrderedDict\n)\x81.") },  /* NEWOBJ */
    { P ("\x82\1.") },                            /* EXT1 */
    { P ("Pabc\n.") },                            /* PERSID */
    { P ("X\1\0\0\0a)R.") },                      /* a call of text */
    { P ("K\1)R.") },
    { P ("})R.") },
    { P ("X\1\0\0\0aQ.") },
    { P ("K\1Q.") },
    { P ("(X\6\0\0\0moduleX\1\0\0\0aX\1\0\0\0bX\1\0\0\0cK\1tQ.") },
    { P ("(X\7\0\0\0storageX\1\0\0\0aX\1\0\0\0bX\1\0\0\0cK\1tQ.") },
    { P ("(X\7\0\0\0storageccollections\nOrderedDict\nX\1\0\0\0" "0X\3\0\0\0cpuK\4NtQ.") },
    { P ("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuJ\xff\xff\xff\xffNtQ.") },
    { P ("(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\4K\1tQ.") }, /* a view record */
    { P ("(X\7\0\0\0storagectorch\nFloatStorage\nX\0\0\0\0X\3\0\0\0cpuK\4NtQ.") },
  };
  guint i, opcode;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("program %u", i);
      g_assert_false (object_opens (bad[i].bytes, bad[i].n));
    }

  /* A dictionary, then each opcode there is: none makes more of it than a dictionary. */
  for (opcode = 0; opcode < 256; opcode++)
    {
      guint8 object[] = { '}', (guint8) opcode, 0, 0, 0, 0, 0, 0, 0, 0, '.' };

      object_opens (object, sizeof object);
    }
}

/* Operands of the wrong kind, stacks and memos that are not as they should be. */
static void
test_operands (void)
{
  static const struct { const char *bytes; gsize n; } bad[] = {
    { P (".") },
    { P ("}}.") },
    { P ("(.") },
    { P ("K\1.") }, /* not a dictionary */
    { P ("].") },
    { P ("]X\1\0\0\0aK\1s.") },     /* SETITEM on a list */
    { P (")X\1\0\0\0aK\1s.") },     /* on a tuple: the hole of CVE-2026-24747 */
    { P ("K\1X\1\0\0\0aK\1s.") },
    { P ("}K\1a.") },               /* APPEND on a dictionary */
    { P ("}(K\1e.") },
    { P ("](X\1\0\0\0aK\1u.") },
    { P ("}(X\1\0\0\0au.") },       /* a key without a value */
    { P ("}(X\1\0\0\0a(K\1u.") },
    { P ("}u.") },
    { P ("}e.") },
    { P ("}t.") },
    { P ("}s.") },
    { P ("s.") },
    { P ("\x87.") },
    { P ("(\x85.") },
    { P ("}}b}.") },
    { P ("K\1}b.") },
    { P ("}K\1b.") },
    { P ("}h\0.") },
    { P ("}q\1.") },                /* a gap in the memo */
    { P ("}r\xff\xff\xff\xff.") },
    { P ("}j\xff\xff\xff\xff.") },
    { P ("q\0.") },
    { P ("R.") },
    { P ("}R.") },
    { P ("b.") },
    { P ("Q.") },
    { P ("\x8a\x09\1\1\1\1\1\1\1\1\1.") }, /* a number of nine bytes */
    { P ("X\xff\xff\xff\xff" "a.") },
    { P ("X\1\0\0\0\xff.") },
    { P ("\x80\3}.") },
    { P ("cos") },
    { P ("cos\nsystem") },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("operand %u", i);
      g_assert_false (object_opens (bad[i].bytes, bad[i].n));
    }
}

static void
test_tensors (void)
{
  static const struct { const char *bytes; gsize n; } bad[] = {
    { P ("K\0K\5\x85K\1\x85\x89" DICT) },                        /* five of four */
    { P ("K\1K\4\x85K\1\x85\x89" DICT) },                        /* from the second on */
    { P ("K\4))\x89" DICT) },
    { P ("K\0K\2K\2\x86K\3K\1\x86\x89" DICT) },                  /* the last at 4 */
    { P ("K\0K\xffK\xff\x86K\0K\0\x86\x89" DICT) },              /* repeats one element */
    { P ("K\0K\2\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x89" DICT) },
    { P ("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\4\x85K\1\x85\x89" DICT) },
    { P ("J\xff\xff\xff\xffK\4\x85K\1\x85\x89" DICT) },
    { P ("K\0J\xff\xff\xff\xff\x85K\1\x85\x89" DICT) },
    { P ("K\0K\4\x85J\xff\xff\xff\xff\x85\x89" DICT) },
    { P ("K\0K\4\x85K\1K\1\x86\x89" DICT) },
    { P ("K\0(K\1K\1K\1K\1K\1K\1K\1K\1K\1t(K\1K\1K\1K\1K\1K\1K\1K\1K\1t\x89" DICT) },
    { P ("K\0K\4\x85K\1\x85\x89" DICT "N") },
    { P ("K\0K\4\x85K\1\x85\x89") },
    { P ("K\0K\4\x85K\1\x85K\0" DICT) },
    { P ("K\0K\4\x85K\1\x85\x89}X\1\0\0\0aK\1s") },              /* hooks */
    { P ("X\1\0\0\0aK\4\x85K\1\x85\x89" DICT) },
    { P ("K\0K\4K\1\x85\x89" DICT) },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_test_message ("tensor %u", i);
      g_assert_false (tensor_opens (bad[i].bytes, bad[i].n));
    }
}

/* The list of storages and what follows it. */
static void
test_storages (void)
{
  static const char object[] = "}X\1\0\0\0a" TENSOR "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\1NtQK\0))\x89" DICT "tRs.";
  static const char one[] = "\1\0\0\0\0\0\0\0\0\0\0\0";
  static const char keys[] = "\x80\2]X\1\0\0\0" "0a.";

  g_assert_true (stream_opens (P (object), P (keys), P (one)));
  g_assert_false (stream_opens (P (object), P (keys), P ("\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P (keys), P ("\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P (keys), P ("\1\0\0\0\0\0\0\x40\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P (keys), P ("\1\0\0\0\0\0\0\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P (keys), P ("\1\0\0\0\0\0\0\0\0\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P ("\x80\2]."), NULL, 0));
  g_assert_false (stream_opens (P (object), P ("\x80\2]X\1\0\0\0" "1a."), P (one)));
  g_assert_false (stream_opens (P (object), P ("\x80\2](X\1\0\0\0" "0X\1\0\0\0" "0e."), P ("\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0")));
  g_assert_false (stream_opens (P (object), P ("\x80\2]K\1a."), P (one)));
  g_assert_false (stream_opens (P (object), P ("\x80\2}."), P (one)));
}

/* Structures without end: deep, circular, and small ones that unfold to huge ones. */
static void
test_endless (void)
{
  g_autoptr (GByteArray) deep = g_byte_array_new ();
  g_autoptr (GByteArray) wide = g_byte_array_new ();
  g_autoptr (GByteArray) many = g_byte_array_new ();
  guint i;

  put_number (deep, ')', 1);
  for (i = 0; i < 1000000; i++)
    put_number (deep, 0x85, 1);
  put_number (deep, '.', 1);
  g_assert_false (object_opens (deep->data, deep->len));

  g_assert_false (object_opens (P ("}q\0X\1\0\0\0ah\0s.")));
  g_assert_false (object_opens (P ("}q\0X\1\0\0\0a}q\1X\1\0\0\0bh\0ss.")));

  /* A list inside itself is nothing we look into. */
  g_assert_true (object_opens (P ("}X\1\0\0\0a]q\0h\0as.")));

  /* Thirty levels of a dictionary that holds the one before twice: 2^30 entries. */
  put_bytes (wide, P ("}q\0"));
  for (i = 0; i < 30; i++)
    {
      put_bytes (wide, P ("}q"));
      put_number (wide, i + 1, 1);
      put_bytes (wide, P ("(X\1\0\0\0ah"));
      put_number (wide, i, 1);
      put_bytes (wide, P ("X\1\0\0\0bh"));
      put_number (wide, i, 1);
      put_bytes (wide, P ("u"));
    }
  put_bytes (wide, P ("."));
  g_assert_false (object_opens (wide->data, wide->len));

  /* A million marks. */
  for (i = 0; i < 1000001; i++)
    put_number (many, '(', 1);
  g_assert_false (object_opens (many->data, many->len));
}

/* --- zip archives ------------------------------------------------------------------------- */

typedef enum
{
  GOOD,
  DEFLATED,
  PACKED_SIZE,
  ENCRYPTED,
  OTHER_NAME,
  OTHER_SIZE,
  OTHER_SUM,
  BAD_SUM,
  OVERLAP,
  TWO_PICKLES,
  NO_PICKLE,
  SCRIPT,
  ORDER_BIG,
  ORDER_LITTLE,
  NO_STORAGE,
  SHORT_STORAGE,
  ENTRY_TWICE,
  EMPTY_NAME,
  MORE_ENTRIES,
  FEWER_ENTRIES,
  LONG_DIRECTORY,
  FAR_DIRECTORY,
  FAR_ENTRY,
  COMMENT,
  WRONG_COMMENT,
  DISKS,
  GARBAGE_IN_PICKLE,
  N_TWEAKS
} Tweak;

static guint32
crc32_of (const guint8 *bytes,
          gsize         n)
{
  guint32 crc = 0xffffffff;
  guint j;

  for (; n > 0; n--)
    for (crc ^= *bytes++, j = 0; j < 8; j++)
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);

  return ~crc;
}

typedef struct
{
  GByteArray *bytes;
  GByteArray *directory;
  guint       n;
  gsize       last; /* the entry before */
} Zip;

static void
add_entry (Zip          *zip,
           const char   *name,
           gconstpointer data,
           gsize         n,
           Tweak         tweak)
{
  gsize at = zip->bytes->len;
  guint32 crc = crc32_of (data, n) ^ (tweak == BAD_SUM);
  const char *local = tweak == OTHER_NAME ? "x/data.pkX" : name;

  put_bytes (zip->bytes, P ("PK\3\4\0\0"));
  put_number (zip->bytes, tweak == ENCRYPTED ? 1 : 0, 2);
  put_number (zip->bytes, tweak == DEFLATED ? 8 : 0, 2);
  put_number (zip->bytes, 0, 4);
  put_number (zip->bytes, crc ^ (tweak == OTHER_SUM), 4);
  put_number (zip->bytes, n, 4);
  put_number (zip->bytes, n + (tweak == OTHER_SIZE), 4);
  put_number (zip->bytes, strlen (local), 2);
  put_number (zip->bytes, 0, 2);
  put_bytes (zip->bytes, local, strlen (local));
  put_bytes (zip->bytes, data, n);

  put_bytes (zip->directory, P ("PK\1\2\0\0\0\0"));
  put_number (zip->directory, tweak == ENCRYPTED ? 1 : 0, 2);
  put_number (zip->directory, tweak == DEFLATED ? 8 : 0, 2);
  put_number (zip->directory, 0, 4);
  put_number (zip->directory, crc, 4);
  put_number (zip->directory, n - (tweak == PACKED_SIZE), 4);
  put_number (zip->directory, n, 4);
  put_number (zip->directory, strlen (name), 2);
  put_number (zip->directory, 0, 4);
  put_number (zip->directory, tweak == DISKS ? 1 : 0, 2);
  put_number (zip->directory, 0, 6);
  put_number (zip->directory, tweak == OVERLAP ? zip->last : tweak == FAR_ENTRY ? 0x7fffffff : at, 4);
  put_bytes (zip->directory, name, strlen (name));
  zip->last = at;
  zip->n++;
}

static GByteArray *
make_zip (Tweak tweak)
{
  static const char pickle[] = "\x80\2}X\1\0\0\0a" TENSOR "((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" "0X\3\0\0\0cpuK\1tQK\0))\x89" DICT "tRs.";
  Zip zip = { g_byte_array_new (), g_byte_array_new (), 0, 0 };
  gsize at;

  add_entry (&zip, "x/version", P ("3\n"), GOOD);
  if (tweak != NO_PICKLE)
    add_entry (&zip, "x/data.pkl", pickle, sizeof pickle - (tweak == GARBAGE_IN_PICKLE ? 0 : 1), tweak <= OVERLAP || tweak == FAR_ENTRY || tweak == DISKS ? tweak : GOOD);
  if (tweak == TWO_PICKLES)
    add_entry (&zip, "y/data.pkl", P (pickle), GOOD);
  if (tweak == ENTRY_TWICE)
    add_entry (&zip, "x/version", P ("3\n"), GOOD);
  if (tweak == EMPTY_NAME)
    add_entry (&zip, "", P ("3\n"), GOOD);
  if (tweak == SCRIPT)
    add_entry (&zip, "x/code/a.py", P ("3\n"), GOOD);
  if (tweak == ORDER_BIG || tweak == ORDER_LITTLE)
    add_entry (&zip, "x/byteorder", tweak == ORDER_BIG ? "big" : "little", tweak == ORDER_BIG ? 3 : 6, GOOD);
  if (tweak != NO_STORAGE)
    add_entry (&zip, "x/data/0", "\0\0\0\0", tweak == SHORT_STORAGE ? 3 : 4, GOOD);

  at = zip.bytes->len;
  put_bytes (zip.bytes, zip.directory->data, zip.directory->len);
  put_bytes (zip.bytes, P ("PK\5\6\0\0\0\0"));
  put_number (zip.bytes, zip.n, 2);
  put_number (zip.bytes, zip.n + (tweak == MORE_ENTRIES) - (tweak == FEWER_ENTRIES), 2);
  put_number (zip.bytes, zip.directory->len + (tweak == LONG_DIRECTORY), 4);
  put_number (zip.bytes, tweak == FAR_DIRECTORY ? 0xfffffffe : at, 4);
  put_number (zip.bytes, tweak == COMMENT ? 2 : tweak == WRONG_COMMENT ? 1 : 0, 2);
  if (tweak == COMMENT)
    put_bytes (zip.bytes, "hi", 2);

  g_byte_array_unref (zip.directory);
  return zip.bytes;
}

static void
test_zip (void)
{
  guint tweak;

  for (tweak = 0; tweak < N_TWEAKS; tweak++)
    {
      g_autoptr (GByteArray) bytes = make_zip (tweak);
      gboolean good = tweak == GOOD || tweak == COMMENT || tweak == ORDER_LITTLE;

      g_test_message ("tweak %u", tweak);
      g_assert_true (hostile_read_path (read_source, hostile_file (bytes->data, bytes->len), bytes->len, 8) == good);
    }
}

static void
test_zip_sweep (void)
{
  g_autoptr (GByteArray) bytes = make_zip (GOOD);
  guint taken = hostile_sweep (read_source, bytes->data, bytes->len, bytes->len, TRUE);

  /* Times, versions and the letters of unused entries may be anything; sums, sizes, pickle may not. */
  g_test_message ("%u changed files were taken", taken);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/torch-hostile/good", test_good);
  g_test_add_func ("/torch-hostile/programs", test_programs);
  g_test_add_func ("/torch-hostile/operands", test_operands);
  g_test_add_func ("/torch-hostile/tensors", test_tensors);
  g_test_add_func ("/torch-hostile/storages", test_storages);
  g_test_add_func ("/torch-hostile/endless", test_endless);
  g_test_add_func ("/torch-hostile/zip", test_zip);
  g_test_add_func ("/torch-hostile/zip-sweep", test_zip_sweep);

  return g_test_run ();
}
