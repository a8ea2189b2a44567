/* chat.c - turns, links, chips, streaming
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <adwaita.h>

#include "tests/display/recorded-engine.h"
#include "tests/display/ui-test.h"
#include "ui/chat.h"
#include "ui/column.h"
#include "ui/live-text.h"
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

/* Lines that are done stay where a label puts them, in every kind of text; only the last one is laid out again. */
static void
test_live (void)
{
  static const char *const pieces[][5] = {
    { "The ", "cup ", "stands on the ", "table, ", "left. " },
    { "Donau", "dampf", "schifffahrts", "gesellschafts", "kapitän " },
    { "杯子", "在", "桌上", "。", "左边" },
    { "الكوب ", "على ", "الطاولة ", "cup ", "يسار. " },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b", " ", "  ", "c-d-e" },
  };
  guint k, i;

  for (k = 0; k < G_N_ELEMENTS (pieces); k++)
    {
      GtkWidget *window = gtk_window_new (), *scroller = gtk_scrolled_window_new (), *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 0);
      GtkWidget *live = descry_live_text_new (), *label = gtk_label_new (NULL);
      g_autoptr (GString) all = g_string_new (NULL);
      guint lines = 0;
      int height = 0;

      gtk_label_set_wrap (GTK_LABEL (label), TRUE);
      gtk_label_set_wrap_mode (GTK_LABEL (label), PANGO_WRAP_WORD_CHAR);
      gtk_label_set_xalign (GTK_LABEL (label), 0);
      gtk_box_append (GTK_BOX (box), live);
      gtk_box_append (GTK_BOX (box), label);
      gtk_window_set_default_size (GTK_WINDOW (window), 310, 700);
      /* The width is given, as in the panel. */
      gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scroller), GTK_POLICY_NEVER, GTK_POLICY_AUTOMATIC);
      gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scroller), box);
      gtk_window_set_child (GTK_WINDOW (window), scroller);
      gtk_window_present (GTK_WINDOW (window));
      ui_test_pump (60);
      for (i = 0; i < 100; i++)
        {
          const char *piece = pieces[k][(i * 7 + i / 9) % 5];

          g_string_append (all, piece);
          descry_live_text_append (DESCRY_LIVE_TEXT (live), piece, strlen (piece));
          if (i % 4 == 3)
            ui_test_turn ();
          g_assert_cmpuint (descry_live_text_get_tail_lines (DESCRY_LIVE_TEXT (live)), <=, 3);
          if (i % 20 != 19)
            continue;
          gtk_label_set_text (GTK_LABEL (label), all->str);
          WAIT_WHILE (gtk_widget_get_height (live) != gtk_widget_get_height (label));
          lines += gtk_widget_get_height (live) > height;
          height = gtk_widget_get_height (live);
        }
      g_assert_cmpuint (lines, >=, 3);
      g_assert_cmpstr (descry_live_text_get_text (DESCRY_LIVE_TEXT (live)), ==, all->str);

      /* Another width: all lines anew. */
      gtk_widget_set_margin_end (box, 77);
      ui_test_pump (100);
      descry_live_text_append (DESCRY_LIVE_TEXT (live), "x", 1);
      g_string_append_c (all, 'x');
      gtk_label_set_text (GTK_LABEL (label), all->str);
      WAIT_WHILE (gtk_widget_get_height (live) <= height || gtk_widget_get_height (live) != gtk_widget_get_height (label));
      {
        g_autofree char *name = g_strdup_printf ("live-text-%u.png", k);
        g_autoptr (GdkTexture) texture = ui_test_shoot (window);

        ui_test_save (texture, name);
      }
      gtk_window_destroy (GTK_WINDOW (window));
    }
}

static void
find_column_cb (GtkWidget *widget,
                gpointer   data)
{
  DescryColumn **found = data;

  if (DESCRY_IS_COLUMN (widget) && gtk_widget_has_css_class (widget, "descry-answer"))
    *found = DESCRY_COLUMN (widget);
}

/* Pixels that are not of the colour of the corner, in each third of the height: there is text in all of them. */
static void
check_text (GdkTexture *texture)
{
  int width = gdk_texture_get_width (texture), height = gdk_texture_get_height (texture);
  g_autofree guint32 *pixels = g_new (guint32, (gsize) width * height);
  guint n[3] = { 0 };
  int i;

  gdk_texture_download (texture, (guchar *) pixels, (gsize) width * 4);
  for (i = 0; i < width * height; i++)
    n[i / width * 3 / height] += pixels[i] != pixels[(gsize) width * height / 2 + 2];
  for (i = 0; i < 3; i++)
    g_assert_cmpuint (n[i], >, 500);
}

/* Paragraphs out of view are not drawn, those that come into view are. */
static void
test_view (void)
{
  GtkWidget *window = gtk_window_new ();
  DescryChat *chat = g_object_new (DESCRY_TYPE_CHAT, NULL);
  DescryColumn *column = NULL;
  GtkWidget *scroller;
  GtkAdjustment *adjustment;
  guint i;

  gtk_window_set_decorated (GTK_WINDOW (window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (window), 360, 600);
  gtk_window_set_child (GTK_WINDOW (window), GTK_WIDGET (chat));
  gtk_window_present (GTK_WINDOW (window));
  ui_test_pump (60);
  descry_chat_begin (chat, "much?");
  for (i = 0; i < 200; i++)
    descry_chat_append (chat, "A paragraph of a few words that takes more than one line of the panel.\n\n");
  ui_test_pump (400);
  ui_test_walk (GTK_WIDGET (chat), find_column_cb, &column);
  g_assert_nonnull (column);
  g_assert_cmpuint (descry_column_skipped (column), >, 150);
  g_assert_cmpuint (descry_column_skipped (column), <, 200);
  scroller = gtk_widget_get_ancestor (GTK_WIDGET (column), GTK_TYPE_SCROLLED_WINDOW);
  adjustment = gtk_scrolled_window_get_vadjustment (GTK_SCROLLED_WINDOW (scroller));
  for (i = 0; i <= 10; i++)
    {
      g_autoptr (GdkTexture) texture = NULL;

      gtk_adjustment_set_value (adjustment, (gtk_adjustment_get_upper (adjustment) - gtk_adjustment_get_page_size (adjustment)) * (10 - i) / 10.0);
      ui_test_pump (80);
      texture = ui_test_shoot (scroller);
      check_text (texture);
      g_assert_cmpuint (descry_column_skipped (column), >, 150);
    }
  gtk_window_set_default_size (GTK_WINDOW (window), 360, 1100);
  ui_test_pump (200);
  {
    g_autoptr (GdkTexture) texture = ui_test_shoot (scroller);

    check_text (texture);
    ui_test_save (texture, "chat-long.png");
  }
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
  g_test_add_func ("/chat/live", test_live);
  g_test_add_func ("/chat/view", test_view);
  g_test_add_func ("/chat/composer", test_composer);

  return g_test_run ();
}
