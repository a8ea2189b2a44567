/* window-states.c - what went wrong or is missing, and what can be done about it
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-window"

#include "config.h"

#include "ui/window-private.h"

#include <string.h>

#include <glib/gi18n.h>

/* The bar's buttons. */
typedef enum
{
  OFFER_COPY = 1 << 0,
  OFFER_MODELS = 1 << 1,
  OFFER_DEVICES = 1 << 2,
  OFFER_RETRY = 1 << 3,
  OFFER_CONVERSATION = 1 << 4
} Offers;

static const char *
slot_title (guint slot)
{
  static const char *titles[DESCRY_N_SLOTS] = {
    N_("tags"), N_("boxes"), N_("masks"), N_("looking"), N_("joining picture and text"), N_("answers"),
  };

  return _(titles[slot]);
}

/* --------- The bar ------------------ */

void
descry_window_show_offers (DescryWindow *self)
{
  Offers offers = self->bar_offers;

  /* On a narrow screen there is room for two; the text itself can be selected and copied. */
  if (self->narrow && (offers & ~OFFER_COPY) != 0)
    offers &= ~OFFER_COPY;
  gtk_widget_set_visible (self->bar_copy, (offers & OFFER_COPY) != 0);
  gtk_widget_set_visible (self->bar_models, (offers & OFFER_MODELS) != 0);
  gtk_widget_set_visible (self->bar_devices, (offers & OFFER_DEVICES) != 0);
  gtk_widget_set_visible (self->bar_retry, (offers & OFFER_RETRY) != 0);
  gtk_widget_set_visible (self->bar_conversation, (offers & OFFER_CONVERSATION) != 0);
}

static void
show_problem (DescryWindow  *self,
              GtkMessageType type,
              const char    *text,
              Offers         offers)
{
  gtk_info_bar_set_message_type (self->bar, type);
  gtk_label_set_label (self->bar_label, text);
  self->bar_offers = offers;
  descry_window_show_offers (self);
  gtk_info_bar_set_revealed (self->bar, TRUE);
  self->bar_is_status = FALSE;
}

void
descry_window_show_bar (DescryWindow  *self,
                        GtkMessageType type,
                        const char    *text)
{
  show_problem (self, type, text, OFFER_COPY);
}

void
descry_window_show_trouble (DescryWindow *self,
                            const char   *text)
{
  g_return_if_fail (DESCRY_IS_WINDOW (self));

  show_problem (self, GTK_MESSAGE_WARNING, text, OFFER_COPY);
}

/* --------- Errors of jobs ------------------ */

static Offers
find_offers (const GError *error)
{
  if (error->domain != DESCRY_ERROR)
    return OFFER_COPY;

  switch (error->code)
    {
    case DESCRY_ERROR_NO_DEVICE:
    case DESCRY_ERROR_BUILD_FAILED:
      return OFFER_DEVICES | OFFER_COPY;

    case DESCRY_ERROR_DEVICE_LOST:
      return OFFER_RETRY | OFFER_DEVICES | OFFER_COPY;

    case DESCRY_ERROR_OUT_OF_MEMORY:
      return OFFER_MODELS | OFFER_DEVICES;

    case DESCRY_ERROR_MODEL_MISSING:
    case DESCRY_ERROR_MODEL_BAD:
      return OFFER_MODELS | OFFER_COPY;

    default:
      return OFFER_COPY;
    }
}

void
descry_window_show_error (DescryWindow *self,
                          const GError *error)
{
  show_problem (self, GTK_MESSAGE_ERROR, error->message, find_offers (error));
}

void
descry_window_show_answer_error (DescryWindow *self,
                                 const GError *error)
{
  Offers offers = find_offers (error) & ~OFFER_RETRY; /* which would look at the picture again */

  if ((offers & ~OFFER_COPY) != 0)
    show_problem (self, GTK_MESSAGE_ERROR, error->message, offers);
}

void
descry_window_show_left_out (DescryWindow *self,
                             guint         n_turns)
{
  g_autofree char *text = NULL;

  if (n_turns == 0)
    return;

  text = g_strdup_printf (ngettext ("The conversation is longer than the language model can read: the oldest turn was left out.",
                                    "The conversation is longer than the language model can read: the %u oldest turns were left out.", n_turns),
                          n_turns);
  show_problem (self, GTK_MESSAGE_INFO, text, OFFER_CONVERSATION);
}

/* --------- The engine's state ------------------ */

/* An empty connector has its own line in the chat, and the encoder serves only it. */
static gboolean
is_missing (const DescryEngineStatus *status,
            guint                     slot)
{
  return !status->slots[slot].usable && slot != DESCRY_SLOT_CONNECTOR && slot != DESCRY_SLOT_ENCODER;
}

static const char *
missing_reason (const DescryEngineStatus *status,
                guint                     slot)
{
  return status->slots[slot].reason != NULL ? status->slots[slot].reason : _("the slot is empty");
}

/* What slots lack, a line each; an empty text if nothing does. */
static char *
list_missing (const DescryEngineStatus *status)
{
  GString *missing = g_string_new (NULL);
  guint i, j;

  for (i = 0; i < DESCRY_N_SLOTS; i++)
    if (is_missing (status, i))
      {
        const char *reason = missing_reason (status, i);
        gboolean said = FALSE;

        /* Slots that lack the same are named together, where the first of them stands. */
        for (j = 0; j < i && !said; j++)
          said = is_missing (status, j) && strcmp (missing_reason (status, j), reason) == 0;
        if (said)
          continue;
        g_string_append_printf (missing, "%s%s", missing->len > 0 ? "\n" : "", slot_title (i));
        for (j = i + 1; j < DESCRY_N_SLOTS; j++)
          if (is_missing (status, j) && strcmp (missing_reason (status, j), reason) == 0)
            g_string_append_printf (missing, ", %s", slot_title (j));
        g_string_append_printf (missing, ": %s", reason);
      }

  return g_string_free (missing, FALSE);
}

static void
show_slots (DescryWindow             *self,
            const DescryEngineStatus *status)
{
  const char *reason = status->slots[DESCRY_SLOT_LLM].reason != NULL ? status->slots[DESCRY_SLOT_LLM].reason : _("the slot is empty");
  g_autofree char *missing = list_missing (status);

  if (*missing != '\0')
    {
      g_autofree char *text = g_strdup_printf (_("Some models are missing; everything else works.\n%s"), missing);

      show_problem (self, GTK_MESSAGE_WARNING, text, OFFER_MODELS | OFFER_COPY);
      self->bar_is_status = TRUE;
    }
  else if (self->bar_is_status)
    gtk_info_bar_set_revealed (self->bar, FALSE);

  if (status->slots[DESCRY_SLOT_LLM].usable)
    descry_chat_set_blocked (self->chat, NULL);
  else
    {
      g_autofree char *text = g_strdup_printf (_("No language model: %s"), reason);

      descry_chat_set_blocked (self->chat, text);
    }
  descry_chat_set_notice (self->chat, status->slots[DESCRY_SLOT_CONNECTOR].usable
                                        ? NULL
                                        : _("No connector: the language model reads what was found, it does not see the picture."));
}

static void
show_blocked (DescryWindow  *self,
              GtkMessageType type,
              const char    *text,
              Offers         offers)
{
  show_problem (self, type, text, offers);
  self->bar_is_status = TRUE;
  descry_chat_set_blocked (self->chat, text);
}

void
descry_window_show_status (DescryWindow *self)
{
  DescryEngineStatus *status;

  if (self->engine == NULL)
    {
      descry_chat_set_blocked (self->chat, _("There are no models: pictures can be looked at, not talked about."));
      return;
    }

  status = descry_engine_status (self->engine);
  self->segmenter_missing = !status->slots[DESCRY_SLOT_SEGMENTER].usable;
  descry_window_show_points (self, status);
  descry_inspect_set_status (self->inspect, status);
  if (status->device_error != NULL)
    {
      g_autofree char *text = g_strdup_printf (_("No usable OpenCL device: %s"), status->device_error);

      show_blocked (self, GTK_MESSAGE_ERROR, text, OFFER_DEVICES | OFFER_COPY);
    }
  else if (status->ready)
    show_slots (self, status);
  else if (status->slots[DESCRY_SLOT_LLM].reason != NULL)
    {
      /* There is no bundle at all; before the engine has looked there is no reason either. */
      g_autofree char *text = g_strdup_printf (_("Models needed: %s. Pictures can be looked at, not talked about."), status->slots[DESCRY_SLOT_LLM].reason);

      show_blocked (self, GTK_MESSAGE_WARNING, text, OFFER_MODELS | OFFER_COPY);
    }
  descry_engine_status_free (status);
}

/* --------- Buttons ------------------ */

static void
copy_bar_cb (DescryWindow *self)
{
  gdk_clipboard_set_text (gtk_widget_get_clipboard (GTK_WIDGET (self)), gtk_label_get_label (self->bar_label));
  descry_window_toast (self, _("Copied"));
}

static void
hide_bar_cb (DescryWindow *self)
{
  gtk_info_bar_set_revealed (self->bar, FALSE);
}

void
descry_window_init_states (DescryWindow *self)
{
  g_signal_connect_object (self->bar_close, "clicked", G_CALLBACK (hide_bar_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->bar_copy, "clicked", G_CALLBACK (copy_bar_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->bar_retry, "clicked", G_CALLBACK (hide_bar_cb), self, G_CONNECT_SWAPPED);
  g_signal_connect_object (self->bar_conversation, "clicked", G_CALLBACK (hide_bar_cb), self, G_CONNECT_SWAPPED);
}
