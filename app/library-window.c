/* library-window.c - the library keeps what a window shows and says
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-library"

#include "config.h"

#include "app/library-window.h"

#include <string.h>

#include <glib/gi18n.h>

#include "app/library-search.h"

#define RECENT 10
/* One to a window, and gone with it. */
typedef struct
{
  DescryLibrary *library;
  DescryWindow  *window; /* borrowed: it owns this */
  DescryEngine  *engine; /* or NULL */
  GCancellable  *lookup; /* of the picture that is being looked up, or NULL */
  guint          patience; /* source: when it has taken too long */
  char          *hash; /* of the window's picture; NULL: not known yet, or forgotten */
  char          *models; /* that found the scene, or NULL */
  GPtrArray     *waiting; /* of Waiting: turns that came before the hash */
  GMenu         *recent;
  char          *wanted; /* key of a turn to show when its conversation is there, or NULL */
} Keeper;

typedef struct
{
  char       *key;
  DescryTurn *turn;
  gboolean    finished;
} Waiting;

static void
waiting_free (gpointer data)
{
  Waiting *waiting = data;

  g_free (waiting->key);
  descry_turn_unref (waiting->turn);
  g_free (waiting);
}

static void
keeper_free (gpointer data)
{
  Keeper *self = data;

  g_cancellable_cancel (self->lookup);
  g_clear_object (&self->lookup);
  g_signal_handlers_disconnect_by_data (self->library, self);
  g_clear_object (&self->library);
  g_clear_object (&self->engine);
  g_clear_object (&self->recent);
  g_ptr_array_unref (self->waiting);
  g_clear_handle_id (&self->patience, g_source_remove);
  g_free (self->hash);
  g_free (self->models);
  g_free (self->wanted);
  g_free (self);
}

/* Another process can have the file for seconds: the picture is not kept waiting for it. */
static guint patience_ms = 1500;

/* --------- Recent pictures ------------------ */

static void
recent_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (DescryWindow) window = data;
  g_autoptr (GPtrArray) list = descry_library_recent_finish (DESCRY_LIBRARY (source), result, NULL);
  Keeper *self = g_object_get_data (G_OBJECT (window), "descry-keeper");
  guint i;

  if (list == NULL || self == NULL)
    return;

  g_menu_remove_all (self->recent);
  for (i = 0; i < list->len; i++)
    {
      const DescryKeptPicture *picture = g_ptr_array_index (list, i);
      g_autoptr (GString) label = g_string_new (picture->name);
      g_autoptr (GMenuItem) item = NULL;

      g_string_replace (label, "_", "__", 0); /* no mnemonic */
      item = g_menu_item_new (label->str, NULL);
      g_menu_item_set_action_and_target_value (item, "win.recent", g_variant_new_bytestring (picture->path));
      g_menu_append_item (self->recent, item);
    }
}

static void
update_recent (Keeper *self)
{
  descry_library_recent_async (self->library, RECENT, NULL, recent_cb, g_object_ref (self->window));
}

static void
recent_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  Keeper *self = data;
  g_autoptr (GFile) file = g_file_new_for_path (g_variant_get_bytestring (parameter));

  descry_window_open (self->window, file);
}

/* --------- The window's signals ------------------ */

/* What the engine would analyze with; NULL while it is still opening. */
static void
get_models (Keeper *self,
            char  **bundle,
            char  **models)
{
  DescryEngineStatus *status = self->engine != NULL ? descry_engine_status (self->engine) : NULL;

  if (bundle != NULL)
    *bundle = status != NULL ? g_strdup (status->bundle) : NULL;
  *models = status != NULL ? g_strdup (status->models) : NULL;
  descry_engine_status_free (status);
}

static gboolean
reveal_turn (Keeper     *self,
             const char *key)
{
  if (!descry_chat_reveal (descry_window_get_chat (self->window), key))
    return FALSE;

  g_action_group_change_action_state (G_ACTION_GROUP (self->window), "sidebar", g_variant_new_boolean (TRUE));
  g_action_group_activate_action (G_ACTION_GROUP (self->window), "panel", g_variant_new_string ("chat"));
  return TRUE;
}

static void
give_back (Keeper      *self,
           DescryImage *image,
           DescryKept  *kept)
{
  g_autofree char *models = NULL;
  g_autoptr (GArray) turns = g_array_new (FALSE, FALSE, sizeof (DescryPastTurn));
  gboolean complete;
  guint i;

  get_models (self, NULL, &models);
  complete = kept->complete && kept->scene != NULL && (models == NULL || g_strcmp0 (models, kept->models) == 0);
  self->hash = g_strdup (kept->hash);
  g_free (self->models);
  self->models = g_strdup (kept->models);
  for (i = 0; i < kept->turns->len; i++)
    {
      const DescryKeptTurn *old = g_ptr_array_index (kept->turns, i);
      const DescryPastTurn past = { old->key, old->turn, !old->finished };

      g_array_append_val (turns, past);
    }
  descry_window_continue (self->window, image, kept->scene, complete, kept->edits, turns);
  for (i = 0; i < self->waiting->len; i++)
    {
      const Waiting *waiting = g_ptr_array_index (self->waiting, i);

      descry_library_keep_turn (self->library, self->hash, waiting->key, waiting->turn, waiting->finished);
    }
  g_ptr_array_set_size (self->waiting, 0);
  if (self->wanted != NULL)
    reveal_turn (self, self->wanted);
  g_clear_pointer (&self->wanted, g_free);
}

typedef struct
{
  GWeakRef      window;
  DescryImage  *image;
  GCancellable *lookup;
} Lookup;

static void
looked_up_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      data)
{
  Lookup *lookup = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (DescryKept) kept = descry_library_open_picture_finish (DESCRY_LIBRARY (source), result, &error);
  g_autoptr (DescryWindow) window = g_weak_ref_get (&lookup->window);
  Keeper *self = window != NULL ? g_object_get_data (G_OBJECT (window), "descry-keeper") : NULL;

  if (self != NULL && self->lookup == lookup->lookup)
    {
      g_clear_object (&self->lookup);
      g_clear_handle_id (&self->patience, g_source_remove);
      if (kept != NULL)
        give_back (self, lookup->image, kept);
      else
        descry_window_continue (window, lookup->image, NULL, FALSE, NULL, NULL);
      update_recent (self);
    }
  g_weak_ref_clear (&lookup->window);
  descry_image_unref (lookup->image);
  g_object_unref (lookup->lookup);
  g_free (lookup);
}

/* What is kept comes later, then: the talk and the changes. */
static gboolean
impatient_cb (gpointer data)
{
  Keeper *self = data;

  self->patience = 0;
  descry_window_continue (self->window, descry_window_get_image (self->window), NULL, FALSE, NULL, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
opened_cb (DescryWindow *window,
           DescryImage  *image,
           const char   *name,
           const char   *path,
           Keeper       *self)
{
  g_autofree char *bundle = NULL, *models = NULL;
  Lookup *lookup = g_new0 (Lookup, 1);

  get_models (self, &bundle, &models);
  g_cancellable_cancel (self->lookup);
  g_clear_object (&self->lookup);
  g_clear_pointer (&self->hash, g_free);
  g_clear_pointer (&self->models, g_free);
  g_ptr_array_set_size (self->waiting, 0);

  g_clear_handle_id (&self->patience, g_source_remove);
  self->patience = g_timeout_add (patience_ms, impatient_cb, self);
  self->lookup = g_cancellable_new ();
  g_weak_ref_init (&lookup->window, window);
  lookup->image = descry_image_ref (image);
  lookup->lookup = g_object_ref (self->lookup);
  descry_library_open_picture_async (self->library, image, name != NULL ? name : _("Picture"), path, bundle, self->lookup, looked_up_cb, lookup);

  return TRUE;
}

static void
scene_changed_cb (DescryWindow *window,
                  DescryScene  *scene,
                  gboolean      complete,
                  Keeper       *self)
{
  g_autofree char *models = NULL;

  /* Pieces of a scene that was given back stay with the networks that found it. */
  if (complete)
    {
      get_models (self, NULL, &models);
      if (descry_window_get_analyzed (window))
        {
          g_free (self->models);
          self->models = g_steal_pointer (&models);
        }
    }
  if (self->hash != NULL)
    descry_library_keep_scene (self->library, self->hash, scene, self->models, complete);
}

static void
edits_changed_cb (DescryWindow *window,
                  const char   *json,
                  Keeper       *self)
{
  if (self->hash != NULL)
    descry_library_keep_edits (self->library, self->hash, json);
}

static void
turn_changed_cb (DescryWindow *window,
                 const char   *key,
                 DescryTurn   *turn,
                 gboolean      finished,
                 Keeper       *self)
{
  if (self->hash != NULL)
    descry_library_keep_turn (self->library, self->hash, key, turn, finished);
  else if (self->lookup != NULL)
    {
      Waiting *waiting = g_new (Waiting, 1);

      *waiting = (Waiting) { g_strdup (key), descry_turn_ref (turn), finished };
      g_ptr_array_add (self->waiting, waiting);
    }
}

static void
turn_deleted_cb (DescryChat *chat,
                 const char *key,
                 Keeper     *self)
{
  guint i;

  for (i = self->waiting->len; i > 0; i--)
    if (strcmp (((Waiting *) g_ptr_array_index (self->waiting, i - 1))->key, key) == 0)
      g_ptr_array_remove_index (self->waiting, i - 1);
  descry_library_delete_turn (self->library, key);
}

static void
turn_restored_cb (DescryChat *chat,
                  const char *key,
                  DescryTurn *turn,
                  gboolean    finished,
                  const char *after,
                  Keeper     *self)
{
  if (self->hash != NULL)
    descry_library_restore_turn (self->library, self->hash, key, turn, finished, after);
  else
    turn_changed_cb (self->window, key, turn, finished, self);
}

static void
conversation_begun_cb (DescryWindow *window,
                       Keeper       *self)
{
  if (self->hash != NULL)
    descry_library_begin_conversation (self->library, self->hash);
}

/* The engine knows only now what it works with: a scene that was given back meanwhile may be of other networks. */
static void
engine_changed_cb (DescryEngine *engine,
                   DescryWindow *window)
{
  Keeper *self = g_object_get_data (G_OBJECT (window), "descry-keeper");
  g_autofree char *models = NULL;

  get_models (self, NULL, &models);
  if (models != NULL && self->hash != NULL && descry_window_get_found (window) != NULL && g_strcmp0 (self->models, models) != 0
      && descry_window_is_idle (window))
    {
      /* Once: an analysis that fails changes the engine's state again. */
      g_free (self->models);
      self->models = g_steal_pointer (&models);
      descry_window_analyze (window);
    }
}

/* --------- The library's signals ------------------ */

static void
problem_cb (DescryLibrary *library,
            const char    *message,
            Keeper        *self)
{
  descry_window_show_trouble (self->window, message);
}

/* What is forgotten leaves the windows that show it, and is not kept again until it is opened again. */
static void
forgotten_cb (DescryLibrary *library,
              const char    *hash,
              Keeper        *self)
{
  if (hash == NULL)
    descry_window_forget_state (self->window);
  if (self->hash == NULL || (hash != NULL && strcmp (hash, self->hash) != 0))
    return;

  descry_window_forget_state (self->window);

  g_clear_pointer (&self->hash, g_free);
  descry_window_clear_conversation (self->window);
}

/* --------- Search ------------------ */

static void
chosen_cb (const DescryFoundTurn *found,
           gpointer               data)
{
  Keeper *self = data;
  g_autoptr (GFile) file = NULL;

  if (self->hash != NULL && g_str_equal (found->picture.hash, self->hash) && reveal_turn (self, found->key))
    return;

  descry_library_resume_conversation (self->library, found->key);
  g_free (self->wanted);
  self->wanted = g_strdup (found->key);
  file = g_file_new_for_path (found->picture.path);
  descry_window_open (self->window, file);
}

static void
search_action (GSimpleAction *action,
               GVariant      *parameter,
               gpointer       data)
{
  Keeper *self = data;

  gtk_window_present (GTK_WINDOW (descry_search_new (GTK_WINDOW (self->window), self->library, chosen_cb, self)));
}

/* --------- Forgetting ------------------ */

static void
forgot_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      data)
{
  g_autoptr (DescryWindow) window = data;
  g_autoptr (GError) error = NULL;
  Keeper *self = g_object_get_data (G_OBJECT (window), "descry-keeper");

  if (descry_library_forget_finish (DESCRY_LIBRARY (source), result, &error))
    descry_window_toast (window, _("Forgotten"));
  else
    descry_window_show_trouble (window, error->message);
  if (self != NULL)
    update_recent (self);
}

static void
forget_response_cb (AdwMessageDialog *dialog,
                    const char       *response,
                    DescryWindow     *window)
{
  Keeper *self = g_object_get_data (G_OBJECT (window), "descry-keeper");
  const char *hash = g_object_get_data (G_OBJECT (dialog), "descry-hash");

  if (g_str_equal (response, "forget"))
    descry_library_forget_async (self->library, hash, NULL, forgot_cb, g_object_ref (window));
}

static void
ask_forget (Keeper     *self,
            const char *hash,
            const char *title,
            const char *body)
{
  GtkWidget *dialog = adw_message_dialog_new (GTK_WINDOW (self->window), title, body);

  adw_message_dialog_add_responses (ADW_MESSAGE_DIALOG (dialog), "cancel", _("_Cancel"), "forget", _("_Forget"), NULL);
  adw_message_dialog_set_response_appearance (ADW_MESSAGE_DIALOG (dialog), "forget", ADW_RESPONSE_DESTRUCTIVE);
  adw_message_dialog_set_default_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  adw_message_dialog_set_close_response (ADW_MESSAGE_DIALOG (dialog), "cancel");
  g_object_set_data_full (G_OBJECT (dialog), "descry-hash", g_strdup (hash), g_free);
  g_signal_connect_object (dialog, "response", G_CALLBACK (forget_response_cb), self->window, 0);
  gtk_window_present (GTK_WINDOW (dialog));
}

static void
forget_picture_action (GSimpleAction *action,
                       GVariant      *parameter,
                       gpointer       data)
{
  Keeper *self = data;

  if (self->hash == NULL)
    descry_window_toast (self->window, _("Nothing is kept of this picture"));
  else
    ask_forget (self, self->hash, _("Forget This Picture?"),
                _("What was found in it, your changes and all conversations about it are deleted for good. The picture itself stays where it is."));
}

static void
forget_everything_action (GSimpleAction *action,
                          GVariant      *parameter,
                          gpointer       data)
{
  ask_forget (data, NULL, _("Forget Everything?"),
              _("What was found in all pictures, your changes and all conversations are deleted for good. The pictures themselves stay where they are."));
}

/* --------- Wiring ------------------ */

/* What comes from the library after this has no window to show it. */
static void
destroyed_cb (DescryWindow *window,
              Keeper       *self)
{
  g_signal_handlers_disconnect_by_data (self->library, self);
  g_clear_handle_id (&self->patience, g_source_remove);
}

void
descry_library_set_patience (guint ms)
{
  patience_ms = ms;
}

void
descry_library_attach (DescryLibrary *library,
                       DescryWindow  *window,
                       DescryEngine  *engine)
{
  static const GActionEntry entries[] = {
    { "forget-picture", forget_picture_action },
    { "forget-everything", forget_everything_action },
    { "recent", recent_action, "ay" },
    { "search", search_action },
  };
  Keeper *self = g_new0 (Keeper, 1);

  self->library = g_object_ref (library);
  self->window = window;
  self->engine = engine != NULL ? g_object_ref (engine) : NULL;
  self->waiting = g_ptr_array_new_with_free_func (waiting_free);
  self->recent = g_object_ref (descry_window_get_recent_menu (window));
  g_object_set_data_full (G_OBJECT (window), "descry-keeper", self, keeper_free);

  g_action_map_add_action_entries (G_ACTION_MAP (window), entries, G_N_ELEMENTS (entries), self);
  g_signal_connect (window, "opened", G_CALLBACK (opened_cb), self);
  g_signal_connect (window, "scene-changed", G_CALLBACK (scene_changed_cb), self);
  g_signal_connect (window, "edits-changed", G_CALLBACK (edits_changed_cb), self);
  g_signal_connect (window, "turn-changed", G_CALLBACK (turn_changed_cb), self);
  g_signal_connect (descry_window_get_chat (window), "turn-deleted", G_CALLBACK (turn_deleted_cb), self);
  g_signal_connect (descry_window_get_chat (window), "turn-restored", G_CALLBACK (turn_restored_cb), self);
  g_signal_connect (window, "conversation-begun", G_CALLBACK (conversation_begun_cb), self);
  g_signal_connect (window, "destroy", G_CALLBACK (destroyed_cb), self);
  g_signal_connect (library, "problem", G_CALLBACK (problem_cb), self);
  g_signal_connect (library, "forgotten", G_CALLBACK (forgotten_cb), self);
  if (engine != NULL)
    g_signal_connect_object (engine, "changed", G_CALLBACK (engine_changed_cb), window, 0);
  update_recent (self);
}
