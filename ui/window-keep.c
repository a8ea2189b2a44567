/* window-keep.c - what a window tells to who keeps its work, and what it takes back
 *
 * Nothing here knows how it is kept: the signals of window.h say what there is to keep.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <string.h>

enum { OPENED, SCENE_CHANGED, EDITS_CHANGED, TURN_CHANGED, CONVERSATION_BEGUN, N_SIGNALS };

static guint signals[N_SIGNALS];

/* --------- Scene ------------------ */

/* The picture is new: someone may know it already. */
void
descry_window_opened (DescryWindow *self)
{
  gboolean handled = FALSE;

  self->complete = FALSE;
  self->analyzed = FALSE;
  self->looked_up = TRUE;
  g_signal_emit (self, signals[OPENED], 0, self->image, self->name, self->path, &handled);
  self->looked_up = handled;
  if (!handled)
    descry_window_analyze (self);
}

void
descry_window_keep_scene (DescryWindow *self)
{
  if (self->image != NULL && self->found != NULL)
    g_signal_emit (self, signals[SCENE_CHANGED], 0, self->found, self->complete);
}

void
descry_window_keep_edits (DescryWindow *self)
{
  json_t *json;
  char *text;

  if (self->image == NULL || self->continuing)
    return;

  json = descry_edits_to_json (self->edits);
  text = json_dumps (json, JSON_COMPACT);
  if (text != NULL)
    g_signal_emit (self, signals[EDITS_CHANGED], 0, text);
  free (text);
  json_decref (json);
}

void
descry_window_continue (DescryWindow *self,
                        DescryImage  *image,
                        DescryScene  *scene,
                        gboolean      complete,
                        const char   *edits,
                        GArray       *turns)
{
  gboolean waited;
  json_t *json;
  guint i;

  /* Another picture has been opened meanwhile. */
  if (self->image != image)
    return;

  waited = self->looked_up;
  self->looked_up = FALSE;
  self->continuing = TRUE;
  if (scene != NULL && waited)
    descry_window_set_scene (self, scene);
  json = edits != NULL ? json_loads (edits, 0, NULL) : NULL;
  if (json != NULL)
    {
      g_autoptr (GError) error = NULL;

      if (!descry_edits_from_json (self->edits, json, &error))
        g_message ("kept edits of %s: %s", self->name, error->message);
      json_decref (json);
    }
  for (i = 0; turns != NULL && i < turns->len; i++)
    {
      const DescryPastTurn *past = &g_array_index (turns, DescryPastTurn, i);

      descry_chat_restore (self->chat, past->key, past->turn, past->interrupted);
    }
  if (waited)
    self->complete = complete && scene != NULL;
  self->continuing = FALSE;

  /* What was found and changed before this came had nowhere to go. */
  if (!waited && self->complete)
    descry_window_keep_scene (self);
  if (!waited)
    descry_window_keep_edits (self);
  if (waited && !self->complete)
    descry_window_analyze (self);
  else
    descry_window_update_title (self);
  descry_window_update_actions (self);
}

/* --------- Turns ------------------ */

static void
emit_turn (DescryWindow *self,
           DescryTurn   *turn,
           gboolean      finished)
{
  g_signal_emit (self, signals[TURN_CHANGED], 0, self->turn_key, turn, finished);
}

/* What has been said so far, as a turn that stays as it is. */
static void
emit_part (DescryWindow *self,
           gsize         length,
           gboolean      finished)
{
  g_autoptr (DescryTurn) part = descry_turn_new (self->asked->question);

  g_array_append_vals (part->chips, self->asked->chips->data, self->asked->chips->len);
  g_free (part->answer);
  part->answer = g_strndup (self->said->str, length);
  part->stopped = TRUE;
  emit_turn (self, part, finished);
}

static void
clear_turn (DescryWindow *self)
{
  g_clear_pointer (&self->asked, descry_turn_unref);
  g_clear_pointer (&self->turn_key, g_free);
}

static void
start_turn (DescryWindow *self,
            char         *key, /* taken */
            const char   *question,
            GArray       *chips,
            const char   *said)
{
  self->turn_key = key;
  self->asked = descry_turn_new (question);
  g_array_append_vals (self->asked->chips, chips->data, chips->len);
  if (self->said == NULL)
    self->said = g_string_new (NULL);
  g_string_assign (self->said, said);
  self->kept = 0;
}

void
descry_window_begin_turn (DescryWindow *self,
                          const char   *question,
                          GArray       *chips)
{
  descry_window_end_turn (self, NULL);
  start_turn (self, g_uuid_string_random (), question, chips, "");
  emit_part (self, 0, FALSE);
}

/* The same turn as before, so what is kept of it is replaced. */
void
descry_window_resume_turn (DescryWindow *self,
                           DescryTurn   *turn,
                           const char   *key)
{
  descry_window_end_turn (self, NULL);
  start_turn (self, g_strdup (key), turn->question, turn->chips, turn->answer);
}

void
descry_window_turn_text (DescryWindow *self,
                         const char   *text)
{
  char *end;

  if (self->asked == NULL)
    return;

  g_string_append (self->said, text);
  /* Each paragraph that has come to its end. */
  end = strrchr (self->said->str + self->kept, '\n');
  if (end != NULL)
    {
      self->kept = (gsize) (end - self->said->str) + 1;
      emit_part (self, self->kept, FALSE);
    }
}

void
descry_window_end_turn (DescryWindow *self,
                        DescryTurn   *turn)
{
  if (self->asked == NULL)
    return;

  if (turn != NULL)
    emit_turn (self, turn, TRUE);
  else
    emit_part (self, self->said->len, TRUE);
  clear_turn (self);
}

void
descry_window_begin_conversation (DescryWindow *self)
{
  descry_window_clear_conversation (self);
  g_signal_emit (self, signals[CONVERSATION_BEGUN], 0);
}

void
descry_window_clear_conversation (DescryWindow *self)
{
  if (self->answering != NULL)
    {
      g_cancellable_cancel (self->answering);
      g_clear_object (&self->answering);
    }
  descry_window_end_turn (self, NULL);
  descry_chat_clear (self->chat);
  descry_edits_forget_turns (self->edits);
}

/* --------- Wiring ------------------ */

void
descry_window_clear_keep (DescryWindow *self)
{
  clear_turn (self);
  if (self->said != NULL)
    g_string_free (self->said, TRUE);
  self->said = NULL;
}

void
descry_window_init_keep_signals (DescryWindowClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  signals[OPENED] = g_signal_new ("opened", type, G_SIGNAL_RUN_LAST, 0, g_signal_accumulator_true_handled, NULL, NULL,
                                  G_TYPE_BOOLEAN, 3, G_TYPE_POINTER, G_TYPE_STRING, G_TYPE_STRING);
  signals[SCENE_CHANGED] = g_signal_new ("scene-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_POINTER, G_TYPE_BOOLEAN);
  signals[EDITS_CHANGED] = g_signal_new ("edits-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[TURN_CHANGED] = g_signal_new ("turn-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_POINTER, G_TYPE_BOOLEAN);
  signals[CONVERSATION_BEGUN] = g_signal_new ("conversation-begun", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}
