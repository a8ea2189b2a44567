/* references.c - test: RefCOCO's references as Python pickles them, and pickles that are made to do harm
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include "compute/error.h"
#include "compute/memory.h"
#include "compute/train/annotations.h"
#include "compute/train/references.h"

/* A pickle as text: the pieces a string literal gives, zeros included. */
#define P(text) (text), sizeof (text) - 1

static const char instances[] = "{\"categories\":[{\"id\":18,\"name\":\"dog\"}],\"images\":[{\"id\":1,\"file_name\":\"a.jpg\"}],"
                                "\"annotations\":[{\"id\":7,\"image_id\":1,\"category_id\":18,\"bbox\":[10,20,30,40]},"
                                "{\"id\":8,\"image_id\":1,\"category_id\":18,\"bbox\":[0,0,50,50]},{\"id\":9,\"image_id\":1,\"category_id\":18,\"bbox\":[5,5,9,9]}]}";

static void
test_published (void)
{
  static const char *const names[] = { "protocol-0", "protocol-1", "protocol-2", "protocol-4", "python2-0", "python2-2" };
  /* The sentences of tests/golden/scripts/references.py. */
  static const char *const questions[] = {
    "the running dog", "dog's left, \"big\" one", "back\\slash and\ttab", "café au lait", "snow ☃ and 😀", "second line\nof text",
  };
  static const char *const answers[] = { "Answer: [0.100,0.200,0.400,0.600] .", "Answer: [0.000,0.000,0.500,0.500] .", "Answer: [0.050,0.050,0.140,0.140] ." };
  guint i, k;

  for (i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *name = g_strconcat ("refcoco-", names[i], NULL);
      g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "fuzz", "corpus", "annotations", name, NULL);
      g_autoptr (DescryAnnotations) annotations = descry_annotations_new (TRUE, NULL, NULL);
      g_autoptr (GError) error = NULL;
      g_autofree char *bytes = NULL;
      DescryPicture *picture;
      gsize n;

      g_assert_true (g_file_get_contents (path, &bytes, &n, &error));
      g_assert_true (descry_annotations_parse (annotations, DESCRY_ANNOTATION_COCO, P (instances), "instances.json", &error));
      descry_annotations_parse (annotations, DESCRY_ANNOTATION_REFCOCO, bytes + 1, n - 1, "refs(unc).p", &error);
      g_assert_no_error (error);

      picture = g_ptr_array_index (descry_annotations_pictures (annotations), 0);
      descry_annotations_fit (picture, 100, 100);
      g_assert_cmpuint (picture->questions->len, ==, G_N_ELEMENTS (questions));
      for (k = 0; k < G_N_ELEMENTS (questions); k++)
        {
          const DescryPictureQuestion *question = g_ptr_array_index (picture->questions, k);
          g_autofree char *asked = g_strdup_printf ("Where is %s? answer in [x0,y0,x1,y1] format.", questions[k]);

          g_assert_cmpstr (question->question, ==, asked);
          g_assert_cmpstr (question->answer, ==, answers[k < 3 ? 0 : k < 5 ? 1 : 2]);
        }
    }
}

typedef struct { guint n; json_t *first; char *wrong; } Seen;

static gboolean
look (json_t     *json,
      const char *where,
      const char *wrong,
      gpointer    data,
      GError    **error)
{
  Seen *seen = data;

  (void) error;
  if (seen->n++ == 0)
    seen->first = json_incref (json);
  if (seen->wrong == NULL && wrong != NULL)
    seen->wrong = g_strconcat (where, ": ", wrong, NULL);
  return TRUE;
}

/* What the first element of the pickled list is, as JSON; or the first that is wrong, with an element or with the whole. */
static char *
read_first (const char *bytes,
            gsize       n)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *copy = g_memdup2 (bytes, n); /* so that one byte too many is noticed */
  const guint live = descry_memory_live ();
  Seen seen = { 0 };
  char *text;

  descry_memory_fail_at (0);
  if (!descry_references_read (copy, n, "r.p", look, &seen, &error))
    text = g_strdup (error->message);
  else if (seen.wrong != NULL)
    text = g_strdup (seen.wrong);
  else
    {
      char *dumped = seen.first != NULL ? json_dumps (seen.first, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

      text = g_strdup (dumped != NULL ? dumped : "");
      free (dumped);
    }
  json_decref (seen.first);
  g_free (seen.wrong);
  g_assert_cmpuint (descry_memory_live (), ==, live);
  g_assert_cmpuint (descry_memory_peak (), <, 64 * n + 65536);

  return text;
}

static void
test_values (void)
{
  static const struct { const char *bytes; gsize n; const char *expected; } cases[] = {
    { P ("(lp1\nI01\na."), "true" },
    { P ("(lp1\nI00\na."), "false" },
    { P ("(lp1\nI1\na."), "1" },
    { P ("(lI-9223372036854775808\na."), "-9223372036854775808" },
    { P ("(lL123456789012L\na."), "123456789012" },
    { P ("(lF0.5\na."), "0.5" },
    { P ("(lS'\\x41\\n\\\\'\na."), "\"A\\n\\\\\"" },
    { P ("(lS'caf\\xe9'\na."), "\"caf\xc3\xa9\"" },       /* Latin-1 */
    { P ("(lS'caf\\xc3\\xa9'\na."), "\"caf\xc3\xa9\"" },  /* UTF-8 */
    { P ("(lVcaf\xe9\\u2603\na."), "\"caf\xc3\xa9\xe2\x98\x83\"" },
    { P ("(lV\\ud83d\\ude00\\U0001f600\na."), "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"" },
    { P ("(l(S'a'\nI1\nda."), "{\"a\":1}" },
    { P ("(l(S'a'\nI1\nla."), "[\"a\",1]" },
    { P ("(l(I1\nI2\nta."), "[1,2]" },
    { P ("(lp5\nI1\np9\nag9\na."), "1" }, /* gaps, as an optimiser leaves them */
    { P ("\x80\2]q\1U\3abcq\2ah\2a."), "\"abc\"" },
    { P ("\x80\4\x95\6\0\0\0\0\0\0\0]\x94\x8c\1a\x94" "a."), "\"a\"" },
    { P ("(l."), "" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *found = read_first (cases[i].bytes, cases[i].n);

      g_assert_cmpstr (found, ==, cases[i].expected);
    }
}

static void
test_hostile (void)
{
  static const struct { const char *bytes; gsize n; const char *expected; } cases[] = {
    /* What would run something. */
    { P ("cos\nsystem\n(S'id'\ntR."), "r.p: byte 0: opcode 0x63 is refused: lists of references do not use it" },
    { P ("(lp1\ncposix\nsystem\n(S'id'\ntRa."), "r.p: byte 5: opcode 0x63 is refused: lists of references do not use it" },
    { P ("(ios\nsystem\n."), "r.p: byte 1: opcode 0x69 is refused: lists of references do not use it" },
    { P ("\x80\2]U\2osU\6system\x93."), "r.p: byte 15: opcode 0x93 is refused: lists of references do not use it" },
    { P ("](lR."), "r.p: byte 3: opcode 0x52 is refused: lists of references do not use it" },
    { P ("]}b."), "r.p: byte 2: opcode 0x62 is refused: lists of references do not use it" },
    { P ("Pabc\n."), "r.p: byte 0: opcode 0x50 is refused: lists of references do not use it" },
    { P ("]Q."), "r.p: byte 1: opcode 0x51 is refused: lists of references do not use it" },
    { P ("\x82\1."), "r.p: byte 0: opcode 0x82 is refused: lists of references do not use it" },
    { P (")\x81."), "r.p: byte 1: opcode 0x81 is refused: lists of references do not use it" },
    /* What is no pickle of a list. */
    { P ("\x80\5]."), "r.p: byte 2: pickle protocol 0 to 4 expected" },
    { P ("}."), "r.p: a list of references expected, found another value" },
    { P ("]. "), "r.p: bytes after the end of the pickle" },
    { P ("."), "r.p: byte 1: one value expected at the end of a pickle" },
    { P ("]"), "r.p: byte 1: the file ends early" },
    { P ("(lI1\n"), "r.p: byte 5: the file ends early" },
    { P ("(lIone\na."), "r.p: byte 7: a whole number expected" },
    { P ("(lI\na."), "r.p: byte 4: a whole number expected" },
    { P ("(lI9223372036854775808\na."), "r.p: byte 23: a whole number of at most 64 bits expected" },
    { P ("(lF1.5x\na."), "r.p: byte 8: a number expected" },
    { P ("(lI1"), "r.p: byte 3: a line that does not end" },
    { P ("(lS'a\na."), "r.p: byte 6: a text in quotes expected" },
    { P ("(lS'\na."), "r.p: byte 5: a text in quotes expected" },
    { P ("(lS'\\q'\na."), "r.p: byte 8: an escape that Python does not write" },
    { P ("(lS'\\x4'\na."), "r.p: byte 9: an escape that Python does not write" },
    { P ("(lS'\\'\na."), "r.p: byte 7: an escape that Python does not write" },
    { P ("(lV\\u26\na."), "r.p: byte 8: an escape that is no character" },
    { P ("(lV\\ud83d\na."), "r.p: byte 10: an escape that is no character" },
    { P ("(lV\\U00110000\na."), "r.p: byte 14: an escape that is no character" },
    { P ("\x80\2]U\200a."), "r.p: byte 5: the file ends early" },
    { P ("\x80\2]T\xff\xff\xff\xff" "a."), "r.p: byte 8: the file ends early" },
    { P ("\x80\2]X\1\0\0\0\xff" "a."), "r.p: byte 9: text that is not UTF-8" },
    { P ("\x80\4\x95\377\0\0\0\0\0\0\0]."), "r.p: byte 11: a frame that leaves the file" },
    { P ("(lg3\na."), "r.p: byte 5: a number that is not in the memo" },
    { P ("(lp3\ng2\na."), "r.p: byte 8: a number that is not in the memo" },
    { P ("(lp99999999\n."), "r.p: byte 12: a number of the memo out of order" },
    { P ("(lp-1\n."), "r.p: byte 6: a number of the memo out of order" },
    { P ("(p1\nl."), "r.p: byte 4: a value expected on the stack" },
    { P ("(lS'a'\n(s."), "r.p: byte 9: a dictionary expected on the stack" },
    { P ("(S'a'\nd."), "r.p: byte 7: keys and values in pairs expected" },
    { P ("l."), "r.p: byte 1: a mark expected on the stack" },
    { P ("a."), "r.p: byte 1: a value expected on the stack" },
    /* Lists of what is no reference. */
    { P ("(l(I1\nI2\nda."), "[0]: a key that is no text" },
    { P ("(lS'\\x00'\na."), "[0]: a text with a zero in it" },
    { P ("(lFnan\na."), "[0]: a number that is not finite" },
    { P ("(lp1\ng1\na."), "[0]: nested too deeply" }, /* holds itself */
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *found = read_first (cases[i].bytes, cases[i].n);

      if (strcmp (found, cases[i].expected) != 0)
        {
          g_test_message ("case %u: \"%s\", and not \"%s\"", i, found, cases[i].expected);
          g_test_fail ();
        }
    }
}

/* Few bytes that would unfold to very many values or much text, and lists in lists. */
static void
test_unfolding (void)
{
  g_autoptr (GString) lists = g_string_new ("(lp0\n(lp1\na"), texts = g_string_new ("(lp0\nS'"), deep = g_string_new (NULL);
  g_autofree char *many = NULL, *much = NULL, *deeply = NULL;
  guint i, k;

  /* Each list holds the one before it thirty times: 1, 31, 931, 27931, 837931 values. */
  for (i = 2; i <= 5; i++)
    {
      g_string_append_printf (lists, "(lp%u\n", i);
      for (k = 0; k < 30; k++)
        g_string_append_printf (lists, "g%u\na", i - 1);
      g_string_append_c (lists, 'a');
    }
  g_string_append_c (lists, '.');
  many = read_first (lists->str, lists->len);
  g_assert_cmpstr (many, ==, "[4]: more than 65536 values");

  for (i = 0; i < 60000; i++)
    g_string_append_c (texts, 'x');
  g_string_append (texts, "'\np1\na(l");
  for (i = 0; i < 30; i++)
    g_string_append (texts, "g1\na");
  g_string_append (texts, "a.");
  much = read_first (texts->str, texts->len);
  g_assert_cmpstr (much, ==, "[1]: more than 1 MiB of text");

  for (i = 0; i < 40; i++)
    g_string_append_c (deep, ']');
  for (i = 0; i < 39; i++)
    g_string_append_c (deep, 'a');
  g_string_append_c (deep, '.');
  deeply = read_first (deep->str, deep->len);
  g_assert_cmpstr (deeply, ==, "r.p: byte 73: nested too deeply");
}

/* A bad file is told like a bad record: skipped, or refused. */
static void
test_whole (void)
{
  g_autoptr (DescryAnnotations) strict = descry_annotations_new (TRUE, NULL, NULL), mild = descry_annotations_new (FALSE, NULL, NULL);
  static const char text[] = "(lp1\n(dp2\nS'ann_id'\np3\nI70\nsa.";
  g_autoptr (GError) error = NULL;

  g_assert_true (descry_annotations_parse (mild, DESCRY_ANNOTATION_REFCOCO, P ("cos\nsystem\n."), "r.p", &error));
  g_assert_no_error (error);
  g_assert_cmpuint (descry_annotations_skipped (mild), ==, 1);
  g_assert_true (descry_annotations_parse (mild, DESCRY_ANNOTATION_REFCOCO, P (text), "r.p", &error));
  g_assert_cmpuint (descry_annotations_skipped (mild), ==, 2);

  g_assert_false (descry_annotations_parse (strict, DESCRY_ANNOTATION_REFCOCO, P ("cos\nsystem\n."), "r.p", &error));
  g_assert_cmpstr (error->message, ==, "r.p: byte 0: opcode 0x63 is refused: lists of references do not use it");
  g_clear_error (&error);
  g_assert_false (descry_annotations_parse (strict, DESCRY_ANNOTATION_REFCOCO, P (text), "r.p", &error));
  g_assert_cmpstr (error->message, ==, "r.p: [0]: ann_id names no box of the instances");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/references/published", test_published);
  g_test_add_func ("/references/values", test_values);
  g_test_add_func ("/references/hostile", test_hostile);
  g_test_add_func ("/references/unfolding", test_unfolding);
  g_test_add_func ("/references/whole", test_whole);

  return g_test_run ();
}
