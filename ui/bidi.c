/* bidi.c - values and names that keep their order inside of text of the other direction
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "ui/bidi.h"

#include <stdarg.h>

/* U+200E, U+200F, U+2066, U+2068, U+2069 */
#define LEFT_TO_RIGHT_MARK "\342\200\216"
#define RIGHT_TO_LEFT_MARK "\342\200\217"
#define LEFT_TO_RIGHT_ISOLATE "\342\201\246"
#define FIRST_STRONG_ISOLATE "\342\201\250"
#define POP_ISOLATE "\342\201\251"

char *
descry_bidi_value (const char *format,
                   ...)
{
  GString *text = g_string_new (LEFT_TO_RIGHT_ISOLATE);
  va_list arguments;

  va_start (arguments, format);
  g_string_append_vprintf (text, format, arguments);
  va_end (arguments);
  g_string_append (text, POP_ISOLATE);

  return g_string_free (text, FALSE);
}

char *
descry_bidi_isolate (const char *text)
{
  return g_strconcat (FIRST_STRONG_ISOLATE, text, POP_ISOLATE, NULL);
}

char *
descry_bidi_size (guint64 bytes)
{
  g_autofree char *text = g_format_size_full (bytes, G_FORMAT_SIZE_IEC_UNITS);

  return descry_bidi_isolate (text);
}

char *
descry_bidi_list (gboolean    rtl,
                  const char *first,
                  ...)
{
  /* The first letter of a label decides its direction: a unit in Latin letters may not. */
  GString *text = g_string_new (rtl ? RIGHT_TO_LEFT_MARK : LEFT_TO_RIGHT_MARK);
  const char *part;
  va_list parts;

  va_start (parts, first);
  for (part = first; part != NULL; part = va_arg (parts, const char *))
    {
      if (part != first)
        g_string_append (text, " · ");
      g_string_append (text, FIRST_STRONG_ISOLATE);
      g_string_append (text, part);
      g_string_append (text, POP_ISOLATE);
    }
  va_end (parts);

  return g_string_free (text, FALSE);
}
