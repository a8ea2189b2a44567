/* turn-view.c - one question and its answer, streaming or finished
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-turn-view"

#include "config.h"

#include "ui/turn-view.h"

#include <string.h>

#include <glib/gi18n.h>

#include "ui/badge.h"
#include "ui/bidi.h"
#include "ui/column.h"
#include "ui/live-text.h"
#include "ui/main-thread.h"
#include "ui/markdown.h"

typedef struct
{
  GtkLabel *label;
  guint     start, end; /* bytes of the answer */
} Paragraph;

struct _DescryTurnView
{
  GtkWidget     parent_instance;

  char         *question;
  char         *key; /* or NULL */
  GArray       *chips; /* of guint */
  DescryTurn   *turn; /* when finished */

  GtkBox       *answer; /* paragraphs */
  GArray       *paragraphs; /* of Paragraph: finished ones */
  DescryLiveText *live; /* the one that is being written, the last child; NULL: nothing streams */
  guint         live_start; /* bytes of the answer before it */
  GString      *text; /* streamed so far */
  GString      *pending; /* arrived since the last frame */
  guint         tick;
  GtkWidget    *stage_box;
  GtkLabel     *stage;
  GtkBox       *footer;
  GtkWidget    *resume; /* the button in it, or NULL */
  gboolean      interrupted; /* the program ended before its answer did */
  char         *hovered_uri;
};

enum { LINK_HOVERED, LINK_ACTIVATED, ASK_AGAIN, EDIT, REPEAT, DELETE, RESUME, N_SIGNALS };

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (DescryTurnView, descry_turn_view, GTK_TYPE_WIDGET)

/* --------- Links ------------------ */

static gboolean
link_names (const DescryLink *link,
            const guint      *ids,
            guint             n)
{
  guint i, j;

  for (i = 0; i < link->n_objects; i++)
    for (j = 0; j < n; j++)
      if (link->objects[i] == ids[j])
        return TRUE;

  return FALSE;
}

static void
append_escaped (GString    *markup,
                const char *text,
                gsize       length)
{
  g_autofree char *escaped = g_markup_escape_text (text, length);

  g_string_append (markup, escaped);
}

char *
descry_turn_markup (DescryTurn  *turn,
                    guint        start,
                    guint        end,
                    const guint *marked,
                    guint        n_marked)
{
  GString *markup = g_string_new (NULL);
  guint at = start;
  guint i, j;

  for (i = 0; i < turn->links->len; i++)
    {
      const DescryLink *link = g_ptr_array_index (turn->links, i);
      gboolean mark;

      /* Overlapping links, or links over a paragraph's end, are left out rather than broken. */
      if (link->start < at || link->end > end || link->end <= link->start || link->n_objects == 0)
        continue;

      append_escaped (markup, turn->answer + at, link->start - at);
      g_string_append (markup, "<a href=\"obj:");
      for (j = 0; j < link->n_objects; j++)
        g_string_append_printf (markup, j == 0 ? "%u" : ",%u", link->objects[j]);
      g_string_append (markup, "\">");
      mark = link_names (link, marked, n_marked);
      if (mark)
        g_string_append (markup, "<span weight=\"bold\" background=\"#f6d32d\" bgalpha=\"35%\">");
      append_escaped (markup, turn->answer + link->start, link->end - link->start);
      g_string_append (markup, mark ? "</span></a>" : "</a>");
      at = link->end;
    }
  append_escaped (markup, turn->answer + at, end - at);

  return g_string_free (markup, FALSE);
}

GArray *
descry_turn_link_ids (const char *uri)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (guint));
  g_auto (GStrv) parts = NULL;
  guint i;

  if (uri == NULL || !g_str_has_prefix (uri, "obj:"))
    return ids;

  parts = g_strsplit (uri + strlen ("obj:"), ",", -1);
  for (i = 0; parts[i] != NULL; i++)
    {
      guint64 value;

      if (g_ascii_string_to_unsigned (parts[i], 10, 1, G_MAXUINT, &value, NULL))
        {
          guint id = (guint) value;

          g_array_append_val (ids, id);
        }
    }

  return ids;
}

static void
emit_hovered (DescryTurnView *self,
              const char     *uri)
{
  g_autoptr (GArray) ids = NULL;

  if (g_strcmp0 (uri, self->hovered_uri) == 0)
    return;

  g_free (self->hovered_uri);
  self->hovered_uri = g_strdup (uri);
  ids = descry_turn_link_ids (uri);
  g_signal_emit (self, signals[LINK_HOVERED], 0, ids->data, ids->len);
}

static void
label_motion_cb (GtkEventControllerMotion *controller,
                 double                    x,
                 double                    y,
                 DescryTurnView           *self)
{
  GtkWidget *label = gtk_event_controller_get_widget (GTK_EVENT_CONTROLLER (controller));

  emit_hovered (self, gtk_label_get_current_uri (GTK_LABEL (label)));
}

static void
label_left_cb (GtkEventControllerMotion *controller,
               DescryTurnView           *self)
{
  emit_hovered (self, NULL);
}

static gboolean
link_activated_cb (GtkLabel       *label,
                   const char     *uri,
                   DescryTurnView *self)
{
  g_autoptr (GArray) ids = descry_turn_link_ids (uri);

  if (ids->len > 0)
    g_signal_emit (self, signals[LINK_ACTIVATED], 0, ids->data, ids->len);

  return TRUE; /* an answer's text opens no other address */
}

/* --------- Paragraphs ------------------ */

/* Text begins at the side where its own readers begin, as it did while it was written. */
static void
set_direction (GtkLabel *label)
{
  PangoDirection direction = pango_layout_get_line_readonly (gtk_label_get_layout (label), 0)->resolved_dir;

  gtk_widget_set_direction (GTK_WIDGET (label), direction == PANGO_DIRECTION_RTL ? GTK_TEXT_DIR_RTL : GTK_TEXT_DIR_LTR);
}

static void
add_paragraph (DescryTurnView *self,
               guint           start,
               guint           end)
{
  GtkEventController *motion = gtk_event_controller_motion_new ();
  g_autofree char *text = g_strndup (self->text->str + start, end - start);
  const Paragraph paragraph = { GTK_LABEL (gtk_label_new (text)), start, end };

  gtk_label_set_wrap (paragraph.label, TRUE);
  gtk_label_set_wrap_mode (paragraph.label, PANGO_WRAP_WORD_CHAR);
  gtk_label_set_xalign (paragraph.label, 0);
  set_direction (paragraph.label);
  gtk_label_set_selectable (paragraph.label, TRUE);
  g_signal_connect_object (paragraph.label, "activate-link", G_CALLBACK (link_activated_cb), self, 0);
  g_signal_connect_object (motion, "motion", G_CALLBACK (label_motion_cb), self, 0);
  g_signal_connect_object (motion, "leave", G_CALLBACK (label_left_cb), self, 0);
  gtk_widget_add_controller (GTK_WIDGET (paragraph.label), motion);
  gtk_box_append (self->answer, GTK_WIDGET (paragraph.label));
  g_array_append_val (self->paragraphs, paragraph);
}

/* What has been written becomes a label; an empty line makes none. */
static void
end_paragraph (DescryTurnView *self)
{
  if (self->live == NULL)
    return;

  gtk_box_remove (self->answer, GTK_WIDGET (self->live));
  self->live = NULL;
  add_paragraph (self, self->live_start, self->text->len);
}

/* Takes what has arrived since the last frame; finished paragraphs stay as they are. */
static void
flush_pending (DescryTurnView *self)
{
  const char *at;

  if (self->pending->len == 0)
    return;

  gtk_widget_set_visible (self->stage_box, FALSE);
  for (at = self->pending->str; *at != '\0';)
    {
      gsize length = strcspn (at, "\n");

      if (length > 0 && self->live == NULL)
        {
          self->live = DESCRY_LIVE_TEXT (descry_live_text_new ());
          self->live_start = self->text->len;
          gtk_box_append (self->answer, GTK_WIDGET (self->live));
        }
      g_string_append_len (self->text, at, (gssize) length);
      if (length > 0)
        descry_live_text_append (self->live, at, length);
      at += length;
      if (*at == '\n')
        {
          end_paragraph (self);
          g_string_append_c (self->text, *at++);
        }
    }
  g_string_truncate (self->pending, 0);
}

static gboolean
tick_cb (GtkWidget     *widget,
         GdkFrameClock *clock,
         gpointer       data)
{
  DescryTurnView *self = DESCRY_TURN_VIEW (widget);

  self->tick = 0;
  flush_pending (self);
  return G_SOURCE_REMOVE;
}

void
descry_turn_view_append (DescryTurnView *self,
                         const char     *text)
{
  descry_assert_main_thread ();

  g_string_append (self->pending, text);
  if (self->tick == 0)
    self->tick = gtk_widget_add_tick_callback (GTK_WIDGET (self), tick_cb, NULL, NULL);
}

static void
stop_stream (DescryTurnView *self)
{
  if (self->tick != 0)
    {
      gtk_widget_remove_tick_callback (GTK_WIDGET (self), self->tick);
      self->tick = 0;
    }
  flush_pending (self);
  end_paragraph (self);
  gtk_widget_set_visible (self->stage_box, FALSE);
}

void
descry_turn_view_set_stage (DescryTurnView *self,
                            const char     *text)
{
  descry_assert_main_thread ();

  if (self->turn == NULL && self->text->len == 0)
    gtk_label_set_label (self->stage, text);
}

/* --------- Finished ------------------ */

static void
copy_clicked_cb (GtkButton      *button,
                 DescryTurnView *self)
{
  g_autoptr (DescryTurn) turn = descry_turn_view_dup_turn (self);
  g_autofree char *text = descry_turn_to_markdown (turn);

  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), text);
}

static void
ask_again_clicked_cb (GtkButton      *button,
                      DescryTurnView *self)
{
  g_signal_emit (self, signals[ASK_AGAIN], 0);
}

static void
edit_clicked_cb (GtkButton      *button,
                 DescryTurnView *self)
{
  g_signal_emit (self, signals[EDIT], 0);
}

static void
repeat_clicked_cb (GtkButton      *button,
                   DescryTurnView *self)
{
  g_signal_emit (self, signals[REPEAT], 0);
}

static void
delete_clicked_cb (GtkButton      *button,
                   DescryTurnView *self)
{
  g_signal_emit (self, signals[DELETE], 0);
}

static GtkWidget *
footer_button (DescryTurnView *self,
               const char     *icon,
               const char     *tooltip,
               GCallback       callback)
{
  GtkWidget *button = gtk_button_new_from_icon_name (icon);

  gtk_widget_add_css_class (button, "flat");
  gtk_widget_add_css_class (button, "circular");
  gtk_widget_set_tooltip_text (button, tooltip);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip, -1);
  g_signal_connect_object (button, "clicked", callback, self, 0);
  gtk_box_append (self->footer, button);
  return button;
}

static GtkWidget *
note_label (const char *text)
{
  GtkWidget *label = gtk_label_new (text);

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_widget_add_css_class (label, "dim-label");
  gtk_widget_add_css_class (label, "descry-note");
  return label;
}

static void
resume_clicked_cb (GtkButton      *button,
                   DescryTurnView *self)
{
  g_signal_emit (self, signals[RESUME], 0);
}

static void
add_footer (DescryTurnView *self,
            const char     *note)
{
  GtkWidget *label = note_label (note);

  gtk_widget_set_hexpand (label, TRUE);
  gtk_box_append (self->footer, label);
  if (self->turn != NULL && self->turn->stopped && self->text->len > 0)
    self->resume = footer_button (self, "media-playback-start-symbolic", _("Go on with this answer"), G_CALLBACK (resume_clicked_cb));
  footer_button (self, "edit-copy-symbolic", _("Copy question and answer"), G_CALLBACK (copy_clicked_cb));
  footer_button (self, "view-refresh-symbolic", _("Ask again about these"), G_CALLBACK (ask_again_clicked_cb));
  footer_button (self, "document-edit-symbolic", _("Edit and ask again"), G_CALLBACK (edit_clicked_cb));
  footer_button (self, "user-trash-symbolic", _("Delete question and answer"), G_CALLBACK (delete_clicked_cb));
}

/* The objects an answer rests on, and the text that was sent: a wrong answer can be seen to be wrong. */
static void
add_evidence (DescryTurnView *self,
              DescryScene    *scene)
{
  GtkBox *column = GTK_BOX (gtk_widget_get_parent (GTK_WIDGET (self->answer)));
  GtkWidget *expander = gtk_expander_new (_("What the answer rests on"));
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  g_autoptr (GString) markup = g_string_new (NULL);
  GtkWidget *label;
  guint i;

  for (i = 0; i < self->turn->evidence->len; i++)
    {
      guint id = g_array_index (self->turn->evidence, guint, i);
      DescryObject *object = scene != NULL ? descry_scene_find (scene, id) : NULL;
      g_autofree char *name = g_markup_escape_text (object != NULL ? object->name : _("object"), -1);
      g_autofree char *called = g_strdup_printf ("%u %s", id, name), *isolated = descry_bidi_isolate (called);

      g_string_append_printf (markup, "%s<a href=\"obj:%u\">%s</a>", i > 0 ? ", " : "", id, isolated);
    }
  if (markup->len > 0)
    {
      GtkEventController *motion = gtk_event_controller_motion_new ();

      gtk_box_append (GTK_BOX (box), note_label (_("Objects")));
      label = gtk_label_new (NULL);
      gtk_label_set_markup (GTK_LABEL (label), markup->str);
      gtk_label_set_xalign (GTK_LABEL (label), 0);
      gtk_label_set_wrap (GTK_LABEL (label), TRUE);
      g_signal_connect_object (label, "activate-link", G_CALLBACK (link_activated_cb), self, 0);
      g_signal_connect_object (motion, "motion", G_CALLBACK (label_motion_cb), self, 0);
      g_signal_connect_object (motion, "leave", G_CALLBACK (label_left_cb), self, 0);
      gtk_widget_add_controller (label, motion);
      gtk_box_append (GTK_BOX (box), label);
    }
  if (self->turn->prompt != NULL)
    {
      gtk_box_append (GTK_BOX (box), note_label (_("Text sent to the language model")));
      label = gtk_label_new (self->turn->prompt);
      gtk_label_set_xalign (GTK_LABEL (label), 0);
      set_direction (GTK_LABEL (label));
      gtk_label_set_wrap (GTK_LABEL (label), TRUE);
      gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
      gtk_label_set_selectable (GTK_LABEL (label), TRUE);
      gtk_box_append (GTK_BOX (box), label);
    }
  if (self->turn->soft_tokens > 0)
    {
      g_autofree char *text = g_strdup_printf (ngettext ("%u token from the picture itself", "%u tokens from the picture itself", self->turn->soft_tokens),
                                               self->turn->soft_tokens);

      gtk_box_append (GTK_BOX (box), note_label (text));
    }
  else
    gtk_box_append (GTK_BOX (box), note_label (_("The model read this text only; it did not see the picture.")));

  gtk_widget_add_css_class (box, "descry-evidence");
  gtk_expander_set_child (GTK_EXPANDER (expander), box);
  gtk_widget_add_css_class (expander, "descry-note");
  gtk_box_append (column, expander);
  gtk_box_reorder_child_after (column, GTK_WIDGET (self->footer), expander);
}

static void
set_paragraphs (DescryTurnView *self,
                const guint    *marked,
                guint           n_marked)
{
  guint i;

  for (i = 0; i < self->paragraphs->len; i++)
    {
      Paragraph *paragraph = &g_array_index (self->paragraphs, Paragraph, i);
      g_autofree char *markup = descry_turn_markup (self->turn, paragraph->start, paragraph->end, marked, n_marked);

      if (g_strcmp0 (markup, gtk_label_get_label (paragraph->label)) != 0)
        gtk_label_set_markup (paragraph->label, markup);
    }
}

static void
show_turn (DescryTurnView *self,
           DescryTurn     *turn)
{
  const char *answer = turn->answer != NULL ? turn->answer : "";

  descry_assert_main_thread ();
  stop_stream (self);
  self->turn = descry_turn_ref (turn);

  /* The finished answer is the truth; what was streamed is laid out anew only if it differs. */
  if (strcmp (answer, self->text->str) != 0)
    {
      guint i;

      for (i = 0; i < self->paragraphs->len; i++)
        gtk_box_remove (self->answer, GTK_WIDGET (g_array_index (self->paragraphs, Paragraph, i).label));
      g_array_set_size (self->paragraphs, 0);
      g_string_truncate (self->text, 0);
      g_string_append (self->pending, answer);
      flush_pending (self);
      end_paragraph (self);
    }
  set_paragraphs (self, NULL, 0);
}

void
descry_turn_view_finish (DescryTurnView *self,
                         DescryTurn     *turn,
                         DescryScene    *scene)
{
  g_autofree char *note = NULL;

  g_return_if_fail (self->turn == NULL);

  show_turn (self, turn);
  if (turn->stopped)
    note = g_strdup (_("Stopped"));
  else if (turn->total_ms > 0 && turn->answer_tokens > 0)
    note = g_strdup_printf (ngettext ("%u token in %.1f s", "%u tokens in %.1f s", turn->answer_tokens),
                            turn->answer_tokens, turn->total_ms / 1000.0);
  add_footer (self, note);
  add_evidence (self, scene);
}

void
descry_turn_view_interrupt (DescryTurnView *self,
                            DescryTurn     *turn,
                            DescryScene    *scene)
{
  GtkBox *column = GTK_BOX (gtk_widget_get_parent (GTK_WIDGET (self->answer)));
  GtkWidget *button = gtk_button_new_with_mnemonic (_("_Ask Again"));

  g_return_if_fail (self->turn == NULL);

  self->interrupted = TRUE;
  show_turn (self, turn);
  gtk_widget_set_halign (button, GTK_ALIGN_START);
  g_signal_connect_object (button, "clicked", G_CALLBACK (repeat_clicked_cb), self, 0);
  gtk_box_append (column, button);
  gtk_box_reorder_child_after (column, button, GTK_WIDGET (self->answer));
  add_footer (self, _("Interrupted: Descry ended before the answer did"));
}

gboolean
descry_turn_view_is_interrupted (DescryTurnView *self)
{
  return self->interrupted;
}

void
descry_turn_view_fail (DescryTurnView *self,
                       const char     *message,
                       gboolean        stopped)
{
  descry_assert_main_thread ();

  stop_stream (self);
  if (!stopped)
    {
      GtkWidget *label = note_label (message);

      gtk_widget_remove_css_class (label, "dim-label");
      gtk_widget_add_css_class (label, "error");
      gtk_label_set_selectable (GTK_LABEL (label), TRUE);
      gtk_box_append (self->answer, label);
    }
  add_footer (self, stopped ? _("Stopped") : NULL);
}

void
descry_turn_view_settle (DescryTurnView *self)
{
  if (self->resume != NULL)
    gtk_box_remove (self->footer, self->resume);
  self->resume = NULL;
}

void
descry_turn_view_mark (DescryTurnView *self,
                       const guint    *ids,
                       guint           n)
{
  /* An answer without links has nothing to mark. */
  if (self->turn != NULL && self->turn->links->len > 0)
    set_paragraphs (self, ids, n);
}

DescryTurn *
descry_turn_view_get_turn (DescryTurnView *self)
{
  return self->turn;
}

const char *
descry_turn_view_get_question (DescryTurnView *self)
{
  return self->question;
}

void
descry_turn_view_set_key (DescryTurnView *self,
                          const char     *key)
{
  g_free (self->key);
  self->key = g_strdup (key);
}

const char *
descry_turn_view_get_key (DescryTurnView *self)
{
  return self->key;
}

DescryTurn *
descry_turn_view_dup_turn (DescryTurnView *self)
{
  DescryTurn *turn;

  if (self->turn != NULL)
    return descry_turn_ref (self->turn);

  turn = descry_turn_new (self->question);
  turn->answer = descry_turn_view_get_text (self);
  g_array_append_vals (turn->chips, self->chips->data, self->chips->len);
  return turn;
}

GArray *
descry_turn_view_get_chips (DescryTurnView *self)
{
  return self->chips;
}

char *
descry_turn_view_get_text (DescryTurnView *self)
{
  return self->turn != NULL ? g_strdup (self->turn->answer)
                            : g_strconcat (self->text->str, self->pending->str, NULL);
}

/* --------- Object ------------------ */

static void
descry_turn_view_dispose (GObject *object)
{
  DescryTurnView *self = DESCRY_TURN_VIEW (object);
  GtkWidget *child;

  if (self->tick != 0)
    {
      gtk_widget_remove_tick_callback (GTK_WIDGET (self), self->tick);
      self->tick = 0;
    }
  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);

  G_OBJECT_CLASS (descry_turn_view_parent_class)->dispose (object);
}

static void
descry_turn_view_finalize (GObject *object)
{
  DescryTurnView *self = DESCRY_TURN_VIEW (object);

  g_clear_pointer (&self->question, g_free);
  g_clear_pointer (&self->key, g_free);
  g_clear_pointer (&self->chips, g_array_unref);
  g_clear_pointer (&self->turn, descry_turn_unref);
  g_clear_pointer (&self->paragraphs, g_array_unref);
  g_string_free (self->text, TRUE);
  g_string_free (self->pending, TRUE);
  g_clear_pointer (&self->hovered_uri, g_free);

  G_OBJECT_CLASS (descry_turn_view_parent_class)->finalize (object);
}

static void
descry_turn_view_class_init (DescryTurnViewClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);

  object_class->dispose = descry_turn_view_dispose;
  object_class->finalize = descry_turn_view_finalize;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);

  signals[LINK_HOVERED] = g_signal_new ("link-hovered", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  signals[LINK_ACTIVATED] = g_signal_new ("link-activated", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_UINT);
  signals[RESUME] = g_signal_new ("resume", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[ASK_AGAIN] = g_signal_new ("ask-again", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[EDIT] = g_signal_new ("edit", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[REPEAT] = g_signal_new ("repeat", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[DELETE] = g_signal_new ("delete", DESCRY_TYPE_TURN_VIEW, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
descry_turn_view_init (DescryTurnView *self)
{
  GtkWidget *column = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  GtkWidget *spinner = gtk_spinner_new ();

  self->chips = g_array_new (FALSE, FALSE, sizeof (guint));
  self->paragraphs = g_array_new (FALSE, FALSE, sizeof (Paragraph));
  self->text = g_string_new (NULL);
  self->pending = g_string_new (NULL);

  self->answer = GTK_BOX (descry_column_new (6));
  gtk_widget_add_css_class (GTK_WIDGET (self->answer), "descry-answer");
  self->stage_box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);
  self->stage = GTK_LABEL (note_label (_("Reading the question…")));
  gtk_spinner_start (GTK_SPINNER (spinner));
  gtk_box_append (GTK_BOX (self->stage_box), spinner);
  gtk_box_append (GTK_BOX (self->stage_box), GTK_WIDGET (self->stage));
  self->footer = GTK_BOX (gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 2));

  gtk_box_append (GTK_BOX (column), GTK_WIDGET (self->answer));
  gtk_box_append (GTK_BOX (column), self->stage_box);
  gtk_box_append (GTK_BOX (column), GTK_WIDGET (self->footer));
  gtk_widget_set_parent (column, GTK_WIDGET (self));
}

GtkWidget *
descry_turn_view_new (const char  *question,
                      const guint *chips,
                      guint        n_chips,
                      DescryScene *scene)
{
  DescryTurnView *self = g_object_new (DESCRY_TYPE_TURN_VIEW, NULL);
  GtkBox *column = GTK_BOX (gtk_widget_get_first_child (GTK_WIDGET (self)));
  GtkWidget *bubble = gtk_box_new (GTK_ORIENTATION_VERTICAL, 4);
  GtkWidget *label = gtk_label_new (question);
  guint i;

  self->question = g_strdup (question);
  if (n_chips > 0)
    {
      GtkWidget *line = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);

      g_array_append_vals (self->chips, chips, n_chips);
      for (i = 0; i < n_chips; i++)
        {
          DescryObject *object = scene != NULL ? descry_scene_find (scene, chips[i]) : NULL;

          gtk_box_append (GTK_BOX (line), descry_badge_new (chips[i]));
          if (object != NULL)
            gtk_box_append (GTK_BOX (line), note_label (object->name));
        }
      gtk_box_append (GTK_BOX (bubble), line);
    }
  gtk_label_set_wrap (GTK_LABEL (label), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_selectable (GTK_LABEL (label), TRUE);
  gtk_box_append (GTK_BOX (bubble), label);
  gtk_widget_add_css_class (bubble, "descry-question");
  gtk_widget_set_halign (bubble, GTK_ALIGN_END);
  gtk_widget_set_margin_start (bubble, 32);
  gtk_box_prepend (column, bubble);

  return GTK_WIDGET (self);
}
