/* chat.c - turns, links, chips, streaming
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <adwaita.h>

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/chat.h"
#include "ui/main-thread.h"
#include "ui/turn-view.h"

static DescryTurn *
make_turn (void)
{
  DescryTurn *turn = descry_turn_new ("what?");
  guint one[] = { 1 };
  guint two[] = { 2, 3 };

  turn->answer = g_strdup ("A <cup> & bowls.\n\nThe cup is red.");
  descry_turn_add_link (turn, 3, 6, one, 1); /* cup */
  descry_turn_add_link (turn, 10, 15, two, 2); /* bowls */
  descry_turn_add_link (turn, 22, 25, one, 1); /* cup */
  return turn;
}

static void
test_markup (void)
{
  g_autoptr (DescryTurn) turn = make_turn ();
  guint marked[] = { 3 };
  g_autofree char *plain = descry_turn_markup (turn, 0, 16, NULL, 0);
  g_autofree char *lit = descry_turn_markup (turn, 0, 16, marked, 1);
  g_autofree char *second = descry_turn_markup (turn, 18, strlen (turn->answer), NULL, 0);

  g_assert_cmpstr (plain, ==, "A &lt;<a href=\"obj:1\">cup</a>&gt; &amp; <a href=\"obj:2,3\">bowls</a>.");
  g_assert_nonnull (strstr (lit, "<a href=\"obj:2,3\"><span"));
  g_assert_null (strstr (lit, "<a href=\"obj:1\"><span"));
  g_assert_cmpstr (second, ==, "The <a href=\"obj:1\">cup</a> is red.");
  g_assert_true (pango_parse_markup (lit + strlen (lit), -1, 0, NULL, NULL, NULL, NULL));
}

static void
test_link_ids (void)
{
  g_autoptr (GArray) ids = descry_turn_link_ids ("obj:12,7");
  g_autoptr (GArray) none = descry_turn_link_ids ("https://example.org");
  g_autoptr (GArray) odd = descry_turn_link_ids ("obj:x,-3,5");

  g_assert_cmpuint (ids->len, ==, 2);
  g_assert_cmpuint (g_array_index (ids, guint, 0), ==, 12);
  g_assert_cmpuint (g_array_index (ids, guint, 1), ==, 7);
  g_assert_cmpuint (none->len, ==, 0);
  g_assert_cmpuint (odd->len, ==, 1);
  g_assert_cmpuint (g_array_index (odd, guint, 0), ==, 5);
}

static void
count_labels (GtkWidget *widget,
              gpointer   data)
{
  if (GTK_IS_LABEL (widget) && g_str_has_prefix (gtk_label_get_text (GTK_LABEL (widget)), "word"))
    *(guint *) data += 1;
}

/* 10,000 tokens: appending costs the frame, not the length; text arrives whole and in order. */
static void
test_streaming (void)
{
  GtkWidget *window = gtk_window_new ();
  DescryChat *chat = g_object_new (DESCRY_TYPE_CHAT, NULL);
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (GPtrArray) history = NULL;
  DescryTurn *turn = descry_turn_new ("much?");
  guint paragraphs = 0;
  gint64 start, cost = 0;
  guint i;

  gtk_window_set_default_size (GTK_WINDOW (window), 400, 600);
  gtk_window_set_child (GTK_WINDOW (window), GTK_WIDGET (chat));
  gtk_window_present (GTK_WINDOW (window));
  descry_chat_begin (chat, "much?");
  g_assert_true (descry_chat_is_running (chat));
  for (i = 0; i < 10000; i++)
    {
      const char *piece = i % 100 == 99 ? "word\n\n" : "word ";

      g_string_append (all, piece);
      start = g_get_monotonic_time ();
      descry_chat_append (chat, piece);
      cost += g_get_monotonic_time () - start;
      if (i % 250 == 0)
        ui_test_turn ();
    }
  ui_test_pump (100);
  turn->answer = g_strdup (all->str);
  descry_chat_finish (chat, turn);
  ui_test_walk (GTK_WIDGET (chat), count_labels, &paragraphs);
  g_assert_cmpuint (paragraphs, ==, 100);
  g_assert_false (descry_chat_is_running (chat));
  history = descry_chat_get_history (chat);
  g_assert_cmpuint (history->len, ==, 1);
  g_test_message ("append: %.4f ms a token", cost / 1000.0 / 10000);
  g_assert_cmpfloat (cost / 1000.0 / 10000, <, 1.0);
  descry_turn_unref (turn);
  gtk_window_destroy (GTK_WINDOW (window));
}

static void
asked_cb (DescryChat *chat,
          const char *question,
          char      **out)
{
  g_free (*out);
  *out = g_strdup (question);
}

static void
stop_cb (DescryChat *chat,
         gboolean   *out)
{
  *out = TRUE;
}

static void
test_composer (void)
{
  GtkWidget *window = gtk_window_new ();
  DescryChat *chat = g_object_new (DESCRY_TYPE_CHAT, NULL);
  g_autofree char *asked = NULL;
  g_autoptr (DescryScene) scene = NULL;
  g_autoptr (DescryImage) image = recorded_picture_new (200, 150, 5, &scene);
  GtkWidget *send;
  gboolean stopped = FALSE;

  gtk_window_set_child (GTK_WINDOW (window), GTK_WIDGET (chat));
  gtk_window_present (GTK_WINDOW (window));
  ui_test_pump (30);
  g_signal_connect (chat, "ask", G_CALLBACK (asked_cb), &asked);
  descry_chat_set_picture (chat, image);
  descry_chat_set_scene (chat, scene);

  /* Nothing to send: an empty question cannot be asked. */
  send = ui_test_find (GTK_WIDGET (chat), GTK_TYPE_BUTTON, "Send");
  g_assert_false (gtk_widget_get_sensitive (send));
  descry_chat_set_question (chat, "   \n ");
  g_assert_false (gtk_widget_get_sensitive (send));

  descry_chat_add_chip (chat, 2);
  descry_chat_add_chip (chat, 2);
  descry_chat_add_chip (chat, 4);
  g_assert_cmpuint (descry_chat_get_chips (chat)->len, ==, 2);
  ui_test_pump (20);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_BUTTON, "Remove bowl from the question"));
  descry_chat_remove_chip (chat, 4);
  g_assert_cmpuint (descry_chat_get_chips (chat)->len, ==, 1);

  descry_chat_set_blocked (chat, "no model");
  descry_chat_set_question (chat, "what is it?");
  g_assert_false (gtk_widget_get_sensitive (send));
  descry_chat_set_blocked (chat, NULL);
  g_assert_true (gtk_widget_get_sensitive (send));
  g_signal_emit_by_name (send, "clicked");
  g_assert_cmpstr (asked, ==, "what is it?");

  /* Stop is in the place of Send; a stopped turn keeps its text and is marked. */
  descry_chat_begin (chat, asked);
  g_assert_cmpuint (descry_chat_get_chips (chat)->len, ==, 0);
  g_assert_cmpstr (gtk_widget_get_tooltip_text (send), ==, "Stop");
  g_signal_connect (chat, "stop", G_CALLBACK (stop_cb), &stopped);
  g_signal_emit_by_name (send, "clicked");
  g_assert_true (stopped);
  descry_chat_append (chat, "It is");
  ui_test_pump (60);
  descry_chat_fail (chat, "cancelled", TRUE);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_LABEL, "Stopped"));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (chat), GTK_TYPE_LABEL, "It is"));
  g_assert_cmpstr (gtk_widget_get_tooltip_text (send), ==, "Send");

  /* A scene without the object takes its chip away. */
  descry_chat_add_chip (chat, 2);
  descry_chat_set_scene (chat, NULL);
  g_assert_cmpuint (descry_chat_get_chips (chat)->len, ==, 0);
  gtk_window_destroy (GTK_WINDOW (window));
}

int
main (int    argc,
      char **argv)
{
  gtk_test_init (&argc, &argv, NULL);
  descry_ui_init ();

  g_test_add_func ("/chat/markup", test_markup);
  g_test_add_func ("/chat/link ids", test_link_ids);
  g_test_add_func ("/chat/streaming", test_streaming);
  g_test_add_func ("/chat/composer", test_composer);

  return g_test_run ();
}
