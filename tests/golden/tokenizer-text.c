/* tokenizer-text.c - text of many scripts, made anew from a line's number
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tokenizer-text.h"

typedef struct { guint first, last; } Range;

/* Blocks without holes, all older than Unicode 7, so that every table agrees on them. */
static const Range scripts[][4] = {
  { { 'a', 'z' } },
  { { 'a', 'z' }, { 0xe0, 0xf6 }, { 0xf8, 0x17e } },
  { { 0x3b1, 0x3c9 }, { 0x1f00, 0x1f07 } },
  { { 0x430, 0x45f } },
  { { 0x561, 0x586 } },
  { { 0x5d0, 0x5ea } },
  { { 0x621, 0x63a }, { 0x641, 0x64a }, { 0x64b, 0x652 } },
  { { 0x905, 0x939 }, { 0x93e, 0x94d } },
  { { 0xb85, 0xb8a }, { 0xbbe, 0xbc2 } },
  { { 0xe01, 0xe3a }, { 0xe40, 0xe4e } },
  { { 0x10d0, 0x10f0 } },
  { { 0x3041, 0x3096 } },
  { { 0x30a1, 0x30fa } },
  { { 0x4e00, 0x9fa5 } },
  { { 0xac00, 0xd7a3 } },
  { { 0x1100, 0x1112 }, { 0x1161, 0x1175 }, { 0x11a8, 0x11c2 } },
  { { 0x20000, 0x2a6d6 } },
  { { 'A', 'Z' }, { 'a', 'z' }, { 0x300, 0x36f } },
};
static const Range digits[] = { { '0', '9' }, { 0x660, 0x669 }, { 0x966, 0x96f }, { 0xff10, 0xff19 }, { 0x2160, 0x216b }, { 0xb2, 0xb3 }, { 0xbc, 0xbe }, { 0x1d7ce, 0x1d7ff } };
static const guint blanks[] = { ' ', ' ', ' ', ' ', '\t', '\n', '\r', 0x0b, 0x0c, 0x85, 0xa0, 0x1680, 0x2003, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0x200b, 0xfeff };
static const Range signs[] = { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' }, { 0xa1, 0xa9 }, { 0x2010, 0x2027 }, { 0x20a0, 0x20b5 }, { 0x2190, 0x21ff }, { 0x2200, 0x22ff }, { 0x3001, 0x3003 }, { 1, 8 }, { 0x7f, 0x84 } };
static const char *const emoji[] = {
  "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f1e9\U0001f1ea", "\u2600", "1\ufe0f\u20e3", "\U0001f3f3\ufe0f\u200d\U0001f308"
};
static const char *const words[] = {
  "the", "cup", "It's", "we're", "I'VE", "don't", "they'll", "I'm", "he'd", "dog's", "photo", "running", "left", "42", "3.14", "JavaScript", "HTTP", "naïve", "café", "Ångström", "can’t", "'tis", "x'Ll", "O'Re", "'ſ",
  "on", "in", "of", "and", "a", "is", "Hello", "world", "What", "colour", "1999", "e.g.", "http://example.org/a?b=c&d=%20", "foo_bar", "fooBar", "==", "->", "#include"
};
static const char *const marks[] = { "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>", "<unk>", "<0x0A>", "[INST]", "<|user|>", "<|eot_id|>", "▁", "Ġ", "Ċ", "\ufffd" };
static const char *const joints[] = { " ", " ", " ", " ", "  ", "\n", "\r\n", ", ", ". ", "! ", "\t", "\n\n", "    ", "" };

static guint64 state;

/* splitmix64 */
static guint
draw (guint n)
{
  guint64 z = (state += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  z = (z ^ z >> 30) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return (guint) ((z ^ z >> 31) % n);
}

static guint
in_range (const Range *range)
{
  return range->first + draw (range->last - range->first + 1);
}

static void
add_word (GString *text,
          guint    script)
{
  guint n_ranges = 1, n = 1 + draw (9);

  while (n_ranges < 4 && scripts[script][n_ranges].first != 0)
    n_ranges++;
  while (n-- > 0)
    g_string_append_unichar (text, in_range (&scripts[script][draw (n_ranges)]));
}

GString *
tokenizer_text_line (guint line)
{
  GString *text = g_string_new (NULL);
  guint script, n, i;

  state = line + 1;
  if (line % 1000 == 0)
    return text;
  if (line % 1000 == 1) /* one long word */
    {
      script = line / 1000 % G_N_ELEMENTS (scripts);
      while (text->len < 10000)
        g_string_append_unichar (text, in_range (&scripts[script][0]));
      return text;
    }

  script = draw (G_N_ELEMENTS (scripts));
  n = 1 + draw (12);
  for (i = 0; i < n; i++)
    {
      guint kind = line % 8 == 7 ? draw (8) : line % 8;
      guint k = 1 + draw (6);

      switch (kind)
        {
        case 0:
        case 1:
          g_string_append (text, words[draw (G_N_ELEMENTS (words))]);
          break;
        case 2:
        case 3:
          add_word (text, draw (5) == 0 ? draw (G_N_ELEMENTS (scripts)) : script);
          break;
        case 4:
          while (k-- > 0)
            g_string_append_unichar (text, in_range (&digits[draw (3) ? 0 : draw (G_N_ELEMENTS (digits))]));
          break;
        case 5:
          while (k-- > 0)
            g_string_append_unichar (text, in_range (&signs[draw (2) ? draw (4) : draw (G_N_ELEMENTS (signs))]));
          break;
        case 6:
          while (k-- > 0)
            g_string_append_unichar (text, blanks[draw (G_N_ELEMENTS (blanks))]);
          add_word (text, 0);
          break;
        default:
          g_string_append (text, draw (2) ? emoji[draw (G_N_ELEMENTS (emoji))] : marks[draw (G_N_ELEMENTS (marks))]);
          break;
        }
      g_string_append (text, joints[draw (G_N_ELEMENTS (joints))]);
    }

  return text;
}
