/* markdown.c - conversations as Markdown text
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-markdown"

#include "config.h"

#include "ui/markdown.h"

#include <string.h>

#include <glib/gi18n.h>

/* Nothing that a person or a model wrote becomes a heading, a list, a link or HTML. */
static void
append_escaped (GString    *out,
                const char *text,
                gboolean    one_line)
{
  gboolean begins = TRUE;
  const char *at;

  for (at = text; *at != '\0'; at++)
    {
      if (strchr ("\\`*_[]<>|", *at) != NULL || (begins && strchr ("#+-=~", *at) != NULL))
        g_string_append_c (out, '\\');
      /* "1." begins a list too. */
      if ((*at == '.' || *at == ')') && at > text && g_ascii_isdigit (at[-1]))
        {
          const char *first = at - 1;

          while (first > text && g_ascii_isdigit (first[-1]))
            first--;
          if (first == text || first[-1] == '\n')
            g_string_append_c (out, '\\');
        }
      if (*at == '\n' && one_line)
        g_string_append_c (out, ' ');
      else
        g_string_append_c (out, *at);
      begins = *at == '\n' || (begins && (*at == ' ' || *at == '\t'));
    }
}

/* Paragraphs are lines in an answer, and need an empty line between them here. */
static void
append_answer (GString    *out,
               const char *answer)
{
  g_auto (GStrv) lines = g_strsplit (answer, "\n", -1);
  guint i;

  for (i = 0; lines[i] != NULL; i++)
    if (*g_strstrip (lines[i]) != '\0')
      {
        append_escaped (out, lines[i], FALSE);
        g_string_append (out, "\n\n");
      }
}

static void
append_turn (GString     *out,
             DescryTurn  *turn,
             DescryScene *scene)
{
  guint i;

  g_string_append (out, "**");
  append_escaped (out, turn->question, TRUE);
  g_string_append (out, "**\n\n");
  if (scene != NULL && turn->chips->len > 0)
    {
      g_string_append_printf (out, "*%s ", _("About:"));
      for (i = 0; i < turn->chips->len; i++)
        {
          guint id = g_array_index (turn->chips, guint, i);
          DescryObject *object = descry_scene_find (scene, id);

          g_string_append (out, i > 0 ? ", " : "");
          append_escaped (out, object != NULL ? object->name : _("object"), TRUE);
          g_string_append_printf (out, " %u", id);
        }
      g_string_append (out, "*\n\n");
    }
  append_answer (out, turn->answer != NULL ? turn->answer : "");
  if (turn->stopped)
    g_string_append_printf (out, "*%s*\n\n", _("Stopped"));
}

char *
descry_turn_to_markdown (DescryTurn *turn)
{
  GString *out = g_string_new (NULL);

  append_turn (out, turn, NULL);
  g_string_truncate (out, out->len - 1);
  return g_string_free (out, FALSE);
}

char *
descry_conversation_to_markdown (GPtrArray   *turns,
                                 const char  *title,
                                 const char  *picture,
                                 DescryScene *scene)
{
  GString *out = g_string_new ("# ");
  guint i;

  append_escaped (out, title, TRUE);
  g_string_append (out, "\n\n");
  if (picture != NULL)
    {
      g_autofree char *address = g_uri_escape_string (picture, NULL, FALSE);

      g_string_append (out, "![");
      append_escaped (out, title, TRUE);
      g_string_append_printf (out, "](%s)\n\n", address);
    }
  for (i = 0; i < turns->len; i++)
    append_turn (out, g_ptr_array_index (turns, i), scene);

  return g_string_free (out, FALSE);
}
