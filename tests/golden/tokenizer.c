/* tokenizer.c - ids and chat prompts against the reference tokenizers
 *
 * The folder text holds small vocabularies of each family (.gguf), and (.ids.gz) the ids of the first lines of the
 * generated text and a digest of all (scripts/make-tokenizers.py). SmolLM2's own file is read where set-up
 * has put it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "compute/text/chat-template.h"
#include "tokenizer-text.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static char *
golden (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "golden", "text", name, NULL);
}

/* A gzip file as text. */
static char *
read_packed (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) raw = g_file_read (file, NULL, &error);
  g_autoptr (GZlibDecompressor) unpack = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GOutputStream) out = g_memory_output_stream_new_resizable ();

  g_assert_no_error (error);
  stream = g_converter_input_stream_new (G_INPUT_STREAM (raw), G_CONVERTER (unpack));
  g_output_stream_splice (out, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, &error);
  g_assert_no_error (error);

  return g_strndup (g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (out)),
                    g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (out)));
}

static char *
ids_as_text (GArray *ids)
{
  GString *text = g_string_new (NULL);
  guint i;

  for (i = 0; i < ids->len; i++)
    g_string_append_printf (text, "%s%d", i > 0 ? " " : "", g_array_index (ids, gint32, i));

  return g_string_free (text, FALSE);
}

static DescryTokenizer *
open_tokenizer (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryGguf) gguf = descry_gguf_open (path, &error);
  DescryTokenizer *tokenizer;

  g_assert_no_error (error);
  tokenizer = descry_tokenizer_new (gguf, &error);
  g_assert_no_error (error);

  return tokenizer;
}

/* Each line is a line's ids; the last one "sha256 HEX" of all lines' ids. */
static void
compare (DescryTokenizer *tokenizer,
         const char      *name,
         gboolean         exact_round_trip)
{
  g_autofree char *file = g_strconcat (name, ".ids.gz", NULL);
  g_autofree char *path = golden (file);
  g_autofree char *all = read_packed (path);
  g_auto (GStrv) lines = g_strsplit (all, "\n", -1);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint n = 0, line, i;

  while (lines[n] != NULL && !g_str_has_prefix (lines[n], "sha256 "))
    n++;
  g_assert_nonnull (lines[n]);
  g_assert_cmpuint (n, >=, 2000);

  for (line = 0; line < TEXT_LINES; line++)
    {
      g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
      GString *text = tokenizer_text_line (line);
      GString *back = g_string_new (NULL);
      g_autofree char *got = NULL;

      descry_tokenizer_encode (tokenizer, text->str, text->len, FALSE, ids);
      got = ids_as_text (ids);
      if (line < n && strcmp (got, lines[line]) != 0)
        g_error ("%s: line %u: expected %s, found %s", name, line, lines[line], got);
      g_checksum_update (sum, (const guchar *) got, -1);
      g_checksum_update (sum, (const guchar *) "\n", 1);

      if (exact_round_trip)
        {
          for (i = 0; i < ids->len; i++)
            descry_tokenizer_decode (tokenizer, g_array_index (ids, gint32, i), back);
          g_assert_cmpmem (back->str, back->len, text->str, text->len);
        }
      g_string_free (text, TRUE);
      g_string_free (back, TRUE);
    }
  g_assert_cmpstr (g_checksum_get_string (sum), ==, lines[n] + strlen ("sha256 "));
}

static void
test_family (gconstpointer name)
{
  g_autofree char *file = g_strconcat (name, ".gguf", NULL);
  g_autofree char *path = golden (file);
  g_autoptr (DescryTokenizer) tokenizer = open_tokenizer (path);

  compare (tokenizer, name, strcmp (name, "gpt-2") == 0 || strcmp (name, "llama-bpe") == 0);
}

/* The same ids from the file's tables and from the list that BERT publishes; and the tables as they are written. */
static void
test_wordpiece (void)
{
  g_autofree char *file = golden ("bert.gguf"), *list = golden ("bert-vocab.txt"), *written = g_build_filename (g_get_tmp_dir (), "descry-words.gguf", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryTokenizer) stored = open_tokenizer (file), listed = descry_tokenizer_new_words (list, &error), again = NULL;
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();

  g_assert_no_error (error);
  compare (stored, "bert", FALSE);
  compare (listed, "bert", FALSE);
  g_assert_cmpint (descry_tokenizer_bos (listed), ==, descry_tokenizer_bos (stored));
  g_assert_cmpint (descry_tokenizer_eos (listed), ==, descry_tokenizer_find (listed, "[SEP]"));

  descry_gguf_writer_set_string (writer, "general.architecture", "mq-former");
  g_assert_true (descry_tokenizer_write_words (listed, writer));
  g_assert_true (descry_gguf_writer_write (writer, written, &error));
  again = open_tokenizer (written);
  g_remove (written);
  compare (again, "bert", FALSE);
}

static void
test_smollm2 (void)
{
  const char *path = g_getenv ("DESCRY_TEST_SMOLLM2");
  g_autoptr (DescryTokenizer) tokenizer = NULL;
  gint64 begin;

  if (path == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("DESCRY_TEST_SMOLLM2 names no SmolLM2 GGUF");
      return;
    }
  begin = g_get_monotonic_time ();
  tokenizer = open_tokenizer (path);
  g_test_message ("opened in %.1f ms", (g_get_monotonic_time () - begin) / 1000.0);
  compare (tokenizer, "smollm2", FALSE);
}

/* chat.json: for each family the conversation, the reference's rendering cut into control tokens and text. */
static void
test_chats (void)
{
  g_autofree char *path = golden ("chat.json");
  json_error_t problem;
  json_t *cases = json_load_file (path, 0, &problem);
  json_t *item;
  gsize index;

  g_assert_nonnull (cases);
  g_assert_cmpuint (json_array_size (cases), >=, 20);
  json_array_foreach (cases, index, item)
    {
      g_autofree char *file = g_strconcat (json_string_value (json_object_get (item, "vocabulary")), ".gguf", NULL);
      g_autofree char *vocabulary = golden (file);
      g_autoptr (GError) error = NULL;
      g_autoptr (DescryGguf) gguf = descry_gguf_open (vocabulary, &error);
      g_autoptr (DescryTokenizer) tokenizer = NULL;
      g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
      g_autoptr (GArray) split = g_array_new (FALSE, FALSE, sizeof (gint32));
      DescryMessage messages[8];
      json_t *turn, *value;
      gsize i;
      guint place = G_MAXUINT;
      GString *expected = g_string_new (NULL);
      g_autofree char *got = NULL;
      g_autofree char *again = NULL;

      g_assert_no_error (error);
      tokenizer = descry_tokenizer_new (gguf, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (json_array_size (json_object_get (item, "messages")), <=, G_N_ELEMENTS (messages));
      json_array_foreach (json_object_get (item, "messages"), i, turn)
        {
          const char *role = json_string_value (json_object_get (turn, "role"));

          messages[i].role = strcmp (role, "system") == 0 ? DESCRY_ROLE_SYSTEM : strcmp (role, "user") == 0 ? DESCRY_ROLE_USER : DESCRY_ROLE_ASSISTANT;
          messages[i].text = json_string_value (json_object_get (turn, "content"));
        }
      g_assert_cmpint (descry_chat_format (gguf, tokenizer), ==, json_integer_value (json_object_get (item, "format")));
      descry_chat_encode (descry_chat_format (gguf, tokenizer), tokenizer, messages, i, ids, NULL);
      json_array_foreach (json_object_get (item, "ids"), i, value)
        g_string_append_printf (expected, "%s%d", i > 0 ? " " : "", (int) json_integer_value (value));
      got = ids_as_text (ids);
      if (strcmp (got, expected->str) != 0)
        g_error ("case %" G_GSIZE_FORMAT " (%s): expected %s, found %s", index, json_string_value (json_object_get (item, "family")), expected->str, got);

      /* A place for soft tokens cuts the text but must not change the ids of these conversations. */
      descry_chat_encode (descry_chat_format (gguf, tokenizer), tokenizer, messages, json_array_size (json_object_get (item, "messages")), split, &place);
      again = ids_as_text (split);
      g_assert_cmpstr (again, ==, expected->str);
      g_assert_cmpuint (place, ==, json_integer_value (json_object_get (item, "place")));
      g_string_free (expected, TRUE);
    }
  json_decref (cases);
}

static int
write_text (const char *path)
{
  FILE *file = fopen (path, "w");
  guint line;

  if (file == NULL)
    return 1;
  for (line = 0; line < TEXT_LINES; line++)
    {
      GString *text = tokenizer_text_line (line);
      json_t *string = json_stringn (text->str, text->len);

      g_assert_nonnull (string);
      json_dumpf (string, file, JSON_ENCODE_ANY);
      fputc ('\n', file);
      json_decref (string);
      g_string_free (text, TRUE);
    }

  return fclose (file) == 0 ? 0 : 1;
}

int
main (int    argc,
      char **argv)
{
  if (argc == 3 && strcmp (argv[1], "--write-text") == 0)
    return write_text (argv[2]);

  g_test_init (&argc, &argv, NULL);

  g_test_add_data_func ("/tokenizer/gpt-2", "gpt-2", test_family);
  g_test_add_data_func ("/tokenizer/smollm", "smollm", test_family);
  g_test_add_data_func ("/tokenizer/llama-bpe", "llama-bpe", test_family);
  g_test_add_data_func ("/tokenizer/qwen2", "qwen2", test_family);
  g_test_add_data_func ("/tokenizer/spm", "spm", test_family);
  g_test_add_func ("/tokenizer/wordpiece", test_wordpiece);
  g_test_add_func ("/tokenizer/smollm2", test_smollm2);
  g_test_add_func ("/tokenizer/chats", test_chats);

  return g_test_run ();
}
