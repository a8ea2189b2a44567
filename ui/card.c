/* card.c - a window that shows a model card, or another short text in Markdown
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-card"

#include "config.h"

#include "ui/card.h"

#include <string.h>

#include <glib/gi18n.h>

#define MARGIN 18

/* --------- Text ------------------ */

/* Up to the closing @mark, escaped, inside @tag; FALSE: it is not closed, so it is only a character. */
static gboolean
take_span (const char **at,
           const char  *mark,
           const char  *tag,
           GString     *markup)
{
  const char *start, *end;
  g_autofree char *text = NULL;

  if (!g_str_has_prefix (*at, mark))
    return FALSE;
  start = *at + strlen (mark);
  end = strstr (start, mark);
  if (end == NULL || end == start)
    return FALSE;

  text = g_markup_escape_text (start, end - start);
  g_string_append_printf (markup, "<%s>%s</%s>", tag, text, tag);
  *at = end + strlen (mark);
  return TRUE;
}

char *
descry_card_markup (const char *line)
{
  GString *markup = g_string_new (NULL);
  const char *at = line;

  while (*at != '\0')
    {
      const char *next;
      g_autofree char *text = NULL;

      if (take_span (&at, "**", "b", markup) || take_span (&at, "`", "tt", markup))
        continue;
      next = g_utf8_next_char (at);
      text = g_markup_escape_text (at, next - at);
      g_string_append (markup, text);
      at = next;
    }

  return g_string_free (markup, FALSE);
}

/* --------- Blocks ------------------ */

static GtkWidget *
make_label (const char *line)
{
  g_autofree char *markup = descry_card_markup (line);
  GtkWidget *label = gtk_label_new (NULL);

  gtk_label_set_markup (GTK_LABEL (label), markup);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_xalign (GTK_LABEL (label), 0.0f);
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);

  return label;
}

static void
add_paragraph (GtkBox  *box,
               GString *text)
{
  if (text->len == 0)
    return;

  gtk_box_append (box, make_label (text->str));
  g_string_truncate (text, 0);
}

static void
add_heading (GtkBox     *box,
             const char *line)
{
  GtkWidget *label;
  guint level = strspn (line, "#");

  label = make_label (line + level + strspn (line + level, " "));
  gtk_widget_add_css_class (label, level == 1 ? "title-2" : "heading");
  gtk_box_append (box, label);
}

static gboolean
is_rule (const char *line)
{
  return line[strspn (line, "|-: ")] == '\0' && strchr (line, '-') != NULL;
}

/* Lines of cells between bars; the table goes on as long as they do. */
static void
add_table (GtkBox  *box,
           char   **lines,
           guint   *at)
{
  GtkWidget *grid = gtk_grid_new ();
  GtkWidget *scroll = gtk_scrolled_window_new ();
  guint row = 0;

  gtk_grid_set_column_spacing (GTK_GRID (grid), 12);
  gtk_grid_set_row_spacing (GTK_GRID (grid), 3);
  for (; lines[*at] != NULL && *lines[*at] == '|'; (*at)++)
    {
      g_auto (GStrv) cells = NULL;
      guint i, n;

      if (is_rule (lines[*at]))
        continue;
      cells = g_strsplit (lines[*at] + 1, "|", -1);
      n = g_strv_length (cells);
      for (i = 0; i + 1 < n; i++) /* nothing follows the last bar */
        {
          GtkWidget *label = make_label (g_strstrip (cells[i]));

          gtk_label_set_wrap (GTK_LABEL (label), FALSE);
          gtk_widget_add_css_class (label, row == 0 ? "caption-heading" : "caption");
          gtk_grid_attach (GTK_GRID (grid), label, (int) i, (int) row, 1, 1);
        }
      row++;
    }
  (*at)--;

  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_AUTOMATIC, GTK_POLICY_NEVER);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroll), grid);
  gtk_box_append (box, scroll);
}

static void
fill (GtkBox     *box,
      const char *markdown)
{
  g_auto (GStrv) lines = g_strsplit (markdown, "\n", -1);
  g_autoptr (GString) paragraph = g_string_new (NULL);
  guint i;

  for (i = 0; lines[i] != NULL; i++)
    {
      const char *line = g_strstrip (lines[i]);

      if (*line == '#' || *line == '|' || *line == '\0' || g_str_has_prefix (line, "- "))
        add_paragraph (box, paragraph);
      if (*line == '#')
        add_heading (box, line);
      else if (*line == '|')
        add_table (box, lines, &i);
      else if (*line != '\0')
        g_string_append_printf (paragraph, "%s%s", paragraph->len > 0 ? " " : "", g_str_has_prefix (line, "- ") ? "• " : line);
      if (g_str_has_prefix (line, "- "))
        g_string_append (paragraph, line + 2);
    }
  add_paragraph (box, paragraph);
}

/* --------- Window ------------------ */

static gboolean
close_cb (GtkWidget *widget,
          GVariant  *parameter,
          gpointer   data)
{
  gtk_window_close (GTK_WINDOW (widget));
  return TRUE;
}

GtkWidget *
descry_card_new (GtkWindow  *parent,
                 const char *title,
                 const char *markdown)
{
  GtkWidget *window = adw_window_new ();
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
  GtkWidget *scroll = gtk_scrolled_window_new ();
  GtkWidget *clamp = adw_clamp_new ();
  GtkWidget *text = gtk_box_new (GTK_ORIENTATION_VERTICAL, 12);
  GtkEventController *keys = gtk_shortcut_controller_new ();

  fill (GTK_BOX (text), markdown);
  gtk_widget_set_margin_start (text, MARGIN);
  gtk_widget_set_margin_end (text, MARGIN);
  gtk_widget_set_margin_top (text, MARGIN);
  gtk_widget_set_margin_bottom (text, MARGIN);
  adw_clamp_set_child (ADW_CLAMP (clamp), text);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroll), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroll), clamp);
  gtk_widget_set_vexpand (scroll, TRUE);
  gtk_box_append (GTK_BOX (box), adw_header_bar_new ());
  gtk_box_append (GTK_BOX (box), scroll);
  adw_window_set_content (ADW_WINDOW (window), box);

  gtk_shortcut_controller_add_shortcut (GTK_SHORTCUT_CONTROLLER (keys),
                                        gtk_shortcut_new (gtk_shortcut_trigger_parse_string ("Escape|<Control>w"), gtk_callback_action_new (close_cb, NULL, NULL)));
  gtk_widget_add_controller (window, keys);
  gtk_window_set_title (GTK_WINDOW (window), title);
  /* A label would show itself selected. */
  gtk_window_set_focus (GTK_WINDOW (window), scroll);
  gtk_window_set_default_size (GTK_WINDOW (window), 640, 640);
  gtk_widget_set_size_request (window, 320, 240);
  gtk_window_set_transient_for (GTK_WINDOW (window), parent);
  gtk_window_set_destroy_with_parent (GTK_WINDOW (window), TRUE);

  return window;
}

GtkWidget *
descry_card_new_own (GtkWindow *parent)
{
  g_autoptr (GBytes) bytes = g_resources_lookup_data (DESCRY_RESOURCE_BASE "/MODEL-CARD.md", G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_autofree char *text = NULL;
  gsize size;
  const char *data;

  g_return_val_if_fail (bytes != NULL, NULL);

  data = g_bytes_get_data (bytes, &size);
  text = g_strndup (data, size);
  return descry_card_new (parent, _("Trained by Descry"), text);
}
