/* states.c - every state of the window, in one look: said, offered, and nothing outside of the window
 *
 * DESCRY_TEST_LOOK names the look: light, dark, contrast (ADW_DEBUG_HIGH_CONTRAST=1), double (GDK_SCALE=2), rtl,
 * narrow (360 px), large (letters of one and a half times the size). The pictures are left in tests/output.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "tests/display/recorded-window.h"
#include "tests/display/ui-test.h"
#include "ui/main-thread.h"
#include "ui/window.h"

#define UNTIL_STOPPED 600000 /* ms for each step of a job */
#define ANSWER "There is a cup on the left. It stands beside a bowl.\n\nThe book is on the table."

static AdwApplication *application;
static char *folder;
static const char *look;

typedef struct
{
  RecordedEngine *engine;
  DescryWindow   *window;
  char           *picture;
} Fixture;

static char *
in_folder (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
set_up (Fixture      *fixture,
        gconstpointer data)
{
  fixture->picture = recorded_window_save (folder, "on-the-table.png", RECORDED_LARGE);
  fixture->engine = recorded_window_engine (RECORDED_LARGE, ANSWER);
}

static void
tear_down (Fixture      *fixture,
           gconstpointer data)
{
  gpointer window = fixture->window, engine = fixture->engine;

  g_object_add_weak_pointer (window, &window);
  g_object_add_weak_pointer (engine, &engine);
  gtk_window_destroy (GTK_WINDOW (fixture->window));
  WAIT_WHILE (window != NULL);
  g_object_unref (fixture->engine);
  WAIT_WHILE (engine != NULL);
  g_free (fixture->picture);
}

/* --------- Looking ------------------ */

typedef struct
{
  GtkWidget *window;
  char      *outside; /* the first button that is */
} Inside;

/* Buttons that a person cannot see or press are of no use. Inside of a scrolled part anything may be out of sight. */
static void
check_inside_cb (GtkWidget *widget,
                 gpointer   data)
{
  Inside *inside = data;
  int width = gtk_widget_get_width (inside->window), height = gtk_widget_get_height (inside->window);
  graphene_rect_t box;

  if (inside->outside != NULL || !GTK_IS_BUTTON (widget) || !gtk_widget_get_mapped (widget) || gtk_widget_get_native (widget) != GTK_NATIVE (inside->window)
      || gtk_widget_get_ancestor (widget, GTK_TYPE_SCROLLED_WINDOW) != NULL || gtk_widget_get_ancestor (widget, GTK_TYPE_SCALE_BUTTON) != NULL)
    return;
  g_assert_true (gtk_widget_compute_bounds (widget, inside->window, &box));
  if (box.origin.x < -1 || box.origin.y < -1 || box.origin.x + box.size.width > width + 1 || box.origin.y + box.size.height > height + 1)
    inside->outside = g_strdup_printf ("button “%s” at %.0f, %.0f, %.0f × %.0f is outside of the window's %d × %d",
                                       gtk_widget_get_tooltip_text (widget) != NULL ? gtk_widget_get_tooltip_text (widget) : gtk_button_get_label (GTK_BUTTON (widget)),
                                       box.origin.x, box.origin.y, box.size.width, box.size.height, width, height);
}

/* What has just appeared gets its place with a later frame. */
static void
check_inside (GtkWidget *window)
{
  gint64 end = g_get_monotonic_time () + 20 * G_TIME_SPAN_SECOND;
  Inside inside = { window, NULL };

  for (;;)
    {
      ui_test_walk (window, check_inside_cb, &inside);
      if (inside.outside == NULL)
        return;
      if (g_get_monotonic_time () > end)
        g_error ("%s: %s", look, inside.outside);
      g_clear_pointer (&inside.outside, g_free);
      ui_test_pump (100);
    }
}

static int
place (PangoLayout *layout,
       const char  *at,
       int         *line)
{
  PangoRectangle box;

  pango_layout_index_to_pos (layout, (int) (at - pango_layout_get_text (layout)), &box);
  *line = box.y;
  return MIN (box.x, box.x + box.width);
}

/* Numbers are read from left to right in every direction of writing: of two with only signs and spaces between them the
 * first is on the left, and so is a number of its per cent sign. */
static void
check_numbers_cb (GtkWidget *widget,
                  gpointer   data)
{
  static const char *const signs[] = { " %", " × ", " – ", ", " };
  PangoLayout *layout;
  const char *text, *at;
  guint i;

  if (!GTK_IS_LABEL (widget) || !gtk_widget_get_mapped (widget))
    return;
  layout = gtk_label_get_layout (GTK_LABEL (widget));
  text = pango_layout_get_text (layout);
  for (i = 0; i < G_N_ELEMENTS (signs); i++)
    for (at = strstr (text, signs[i]); at != NULL; at = strstr (at + 1, signs[i]))
      {
        const char *next = i == 0 ? at + 1 : at + strlen (signs[i]);
        int left, right, line, next_line;

        if (at == text || !g_ascii_isdigit (at[-1]) || (i > 0 && !g_ascii_isdigit (*next)))
          continue;
        left = place (layout, at - 1, &line);
        right = place (layout, next, &next_line);
        *(guint *) data += 1;
        if (line == next_line && left > right)
          g_error ("%s: in “%s” the number before “%s” is behind it", look, text, next);
      }
}

/* How many numbers with others beside them were seen. */
static guint
look_at (Fixture    *fixture,
         const char *name)
{
  g_autoptr (GdkTexture) texture = NULL;
  g_autofree char *file = g_strdup_printf ("state-%s-%s.png", look, name);
  GtkWidget *window = GTK_WIDGET (fixture->window);
  guint n = 0, n_numbers = 0;

  ui_test_pump (350);
  ui_test_walk (window, ui_test_check_named, &n);
  ui_test_walk (window, check_numbers_cb, &n_numbers);
  check_inside (window);
  if (strcmp (look, "narrow") == 0)
    g_assert_cmpint (gtk_widget_get_width (window), <=, 360);
  texture = ui_test_shoot (window);
  ui_test_save (texture, file);
  return n_numbers;
}

static void
make_window (Fixture *fixture)
{
  fixture->window = DESCRY_WINDOW (descry_window_new (GTK_APPLICATION (application), DESCRY_ENGINE (fixture->engine), NULL));
  if (strcmp (look, "narrow") == 0)
    gtk_window_set_default_size (GTK_WINDOW (fixture->window), 360, 640);
  else
    gtk_window_set_default_size (GTK_WINDOW (fixture->window), 1000, 680);
  gtk_window_present (GTK_WINDOW (fixture->window));
  ui_test_pump (60);
}

static void
open_path (Fixture    *fixture,
           const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);

  descry_window_open (fixture->window, file);
}

static void
open_picture (Fixture *fixture)
{
  open_path (fixture, fixture->picture);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
}

static void
ask (Fixture    *fixture,
     const char *question)
{
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.panel", "s", "chat");
  g_signal_emit_by_name (descry_window_get_chat (fixture->window), "ask", question);
}

static GtkWidget *
find_button (Fixture    *fixture,
             const char *label)
{
  return ui_test_find (GTK_WIDGET (fixture->window), GTK_TYPE_BUTTON, label);
}

/* What comes in slowly has no button before it is there. */
static void
press (Fixture    *fixture,
       const char *label)
{
  WAIT_WHILE (find_button (fixture, label) == NULL);
  gtk_widget_activate (find_button (fixture, label));
}

/* --------- States ------------------ */

static void
test_empty (Fixture      *fixture,
            gconstpointer data)
{
  make_window (fixture);
  g_assert_cmpstr (descry_window_get_page (fixture->window), ==, "empty");
  g_assert_nonnull (find_button (fixture, "_Open…"));
  look_at (fixture, "empty");
}

/* A decoder that works until it is stopped. */
static void
slow_down (void)
{
  g_autofree char *path = in_folder ("slow-decode");

  g_assert_true (g_file_set_contents_full (path, "#!/bin/sh\nexec sleep 600\n", -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
  g_setenv ("DESCRY_DECODE", path, TRUE);
}

static void
test_decoding (Fixture      *fixture,
               gconstpointer data)
{
  g_autofree char *real = g_strdup (g_getenv ("DESCRY_DECODE"));
  g_autofree char *other = recorded_window_save (folder, "another.png", (RecordedPicture) { 320, 240, 5 });
  gboolean hidden;
  gint64 begin;

  make_window (fixture);
  slow_down ();
  begin = g_get_monotonic_time ();
  open_path (fixture, fixture->picture);
  /* Nothing flashes when it is quick; half a second is not. */
  ui_test_pump (100);
  hidden = find_button (fixture, "_Cancel") == NULL;
  g_assert_true (hidden || g_get_monotonic_time () - begin > G_TIME_SPAN_SECOND / 2);
  WAIT_WHILE (find_button (fixture, "_Cancel") == NULL);
  look_at (fixture, "decoding");
  press (fixture, "_Cancel");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpstr (descry_window_get_page (fixture->window), ==, "empty");
  g_setenv ("DESCRY_DECODE", real, TRUE);

  /* Over a picture: it stays, and cancelling keeps it. */
  open_picture (fixture);
  slow_down ();
  open_path (fixture, other);
  WAIT_WHILE (find_button (fixture, "Stop this") == NULL);
  g_assert_cmpuint (descry_canvas_get_image (descry_window_get_canvas (fixture->window))->width, ==, 640);
  look_at (fixture, "decoding-another");
  press (fixture, "Stop this");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpuint (descry_canvas_get_image (descry_window_get_canvas (fixture->window))->width, ==, 640);
  g_assert_null (descry_window_get_message (fixture->window));
  g_setenv ("DESCRY_DECODE", real, TRUE);
}

static guint32
crc32 (const guint8 *bytes,
       gsize         n)
{
  guint32 crc = 0xffffffff;
  guint bit;

  for (; n > 0; n--, bytes++)
    for (crc ^= *bytes, bit = 0; bit < 8; bit++)
      crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;

  return ~crc;
}

/* A header alone: 20000 × 20000 pixels. */
static void
write_huge (const char *path)
{
  /* The picture's data begin and hold nothing. */
  const guint8 data[] = { 0, 0, 0, 0, 'I', 'D', 'A', 'T', 0x35, 0xaf, 0x06, 0x1e };
  g_autoptr (GByteArray) file = g_byte_array_new ();
  guint8 bytes[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0x4e, 0x20, 0, 0, 0x4e, 0x20, 8, 2, 0, 0, 0, 0, 0, 0, 0 };
  guint32 crc = GUINT32_TO_BE (crc32 (bytes + 12, 17));

  memcpy (bytes + 29, &crc, 4);
  g_byte_array_append (file, bytes, sizeof bytes);
  g_byte_array_append (file, data, sizeof data);
  g_assert_true (g_file_set_contents (path, (const char *) file->data, file->len, NULL));
}

static void
test_unreadable (Fixture      *fixture,
                 gconstpointer data)
{
  g_autofree char *text = in_folder ("a-text-that-says-it-is-a-photo.jpg");
  g_autofree char *huge = in_folder ("huge.png");

  g_assert_true (g_file_set_contents (text, "this is no picture", -1, NULL));
  write_huge (huge);
  make_window (fixture);
  open_path (fixture, text);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpstr (descry_window_get_page (fixture->window), ==, "error");
  g_assert_nonnull (find_button (fixture, "_Open Another…"));
  g_assert_nonnull (find_button (fixture, "_Copy Details"));
  look_at (fixture, "unreadable");
  open_path (fixture, huge);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpstr (descry_window_get_page (fixture->window), ==, "error");
  g_assert_nonnull (ui_test_find_text (GTK_WIDGET (fixture->window), "20000"));
  look_at (fixture, "too-large");
}

static void
set_status (Fixture    *fixture,
            const char *device_error,
            const char *bundle_error,
            const char *llm_error)
{
  DescryEngineStatus *status = descry_engine_status (DESCRY_ENGINE (fixture->engine));
  guint i;

  if (device_error != NULL)
    g_clear_pointer (&status->device, g_free);
  status->ready = device_error == NULL && bundle_error == NULL;
  status->device_error = g_strdup (device_error);
  for (i = 0; i < DESCRY_N_SLOTS; i++)
    if (bundle_error != NULL || (llm_error != NULL && i == DESCRY_SLOT_LLM))
      {
        g_free (status->slots[i].reason);
        status->slots[i].usable = FALSE;
        status->slots[i].reason = g_strdup (bundle_error != NULL ? bundle_error : llm_error);
      }
  descry_engine_set_status (DESCRY_ENGINE (fixture->engine), status);
}

/* The bar says @text and offers exactly these. */
static void
check_bar (Fixture    *fixture,
           const char *text,
           gboolean    models,
           gboolean    devices,
           gboolean    retry)
{
  ui_test_pump (350);
  g_assert_nonnull (descry_window_get_message (fixture->window));
  g_assert_nonnull (strstr (descry_window_get_message (fixture->window), text));
  /* It comes in slowly, and no button is there before it. */
  WAIT_WHILE ((models && find_button (fixture, "_Models") == NULL) || (devices && find_button (fixture, "_Devices") == NULL)
              || (retry && find_button (fixture, "_Try Again") == NULL));
  g_assert_true ((find_button (fixture, "_Models") != NULL) == models);
  g_assert_true ((find_button (fixture, "_Devices") != NULL) == devices);
  g_assert_true ((find_button (fixture, "_Try Again") != NULL) == retry);
}

static void
test_models (Fixture      *fixture,
             gconstpointer data)
{
  set_status (fixture, NULL, "no bundle “compact” in /home/somebody/.local/share/descry/bundles", NULL);
  make_window (fixture);
  check_bar (fixture, "no bundle", TRUE, FALSE, FALSE);
  look_at (fixture, "no-models");
  /* Viewing still works. */
  open_path (fixture, fixture->picture);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpstr (descry_window_get_page (fixture->window), ==, "picture");

  set_status (fixture, NULL, NULL, "SmolLM2-135M-Instruct.Q4_1.gguf is not there");
  check_bar (fixture, "answers: SmolLM2", TRUE, FALSE, FALSE);
  look_at (fixture, "slot-empty");
}

static void
test_no_device (Fixture      *fixture,
                gconstpointer data)
{
  set_status (fixture, "2 devices found, both refused: their self-tests failed", NULL, NULL);
  make_window (fixture);
  open_picture (fixture);
  check_bar (fixture, "both refused", FALSE, TRUE, FALSE);
  look_at (fixture, "no-device");
}

static void
fail_analysis (Fixture    *fixture,
               DescryError code,
               const char *message)
{
  recorded_engine_fail_next (fixture->engine, g_error_new_literal (DESCRY_ERROR, code, message));
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.analyze", NULL);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
}

/* What can be done where nothing was asked yet is read without scrolling, below a bar and in large letters too. */
static void
check_invitation (Fixture *fixture)
{
  GtkWidget *text = ui_test_find_text (GTK_WIDGET (fixture->window), "Double-click an object");
  GtkScrolledWindow *scroller;
  GtkAdjustment *adjustment;

  g_assert_nonnull (text);
  scroller = GTK_SCROLLED_WINDOW (gtk_widget_get_ancestor (text, GTK_TYPE_SCROLLED_WINDOW));
  adjustment = gtk_scrolled_window_get_vadjustment (scroller);
  WAIT_WHILE (gtk_adjustment_get_upper (adjustment) > gtk_adjustment_get_page_size (adjustment));
}

/* Jobs that end with a reason: what was found before stays. */
static void
test_failures (Fixture      *fixture,
               gconstpointer data)
{
  make_window (fixture);
  open_picture (fixture);
  fail_analysis (fixture, DESCRY_ERROR_MODEL_BAD, "isnet.gguf: conv_in.weight: expected [64, 3, 3, 3], found [32, 3, 3, 3]");
  check_bar (fixture, "conv_in.weight", TRUE, FALSE, FALSE);
  g_assert_cmpuint (descry_canvas_get_scene (descry_window_get_canvas (fixture->window))->objects->len, ==, 8);
  look_at (fixture, "model-rejected");
  check_invitation (fixture);

  fail_analysis (fixture, DESCRY_ERROR_OUT_OF_MEMORY, "segmenter: needs 8.1 GB, the device reports 8.0");
  check_bar (fixture, "8.1 GB", TRUE, TRUE, FALSE);
  look_at (fixture, "out-of-memory");

  fail_analysis (fixture, DESCRY_ERROR_DEVICE_LOST, "the device was lost: clFinish: CL_OUT_OF_RESOURCES");
  check_bar (fixture, "lost", FALSE, TRUE, TRUE);
  look_at (fixture, "device-lost");
  press (fixture, "_Try Again");
  WAIT_WHILE (descry_window_get_message (fixture->window) != NULL);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpuint (descry_canvas_get_scene (descry_window_get_canvas (fixture->window))->objects->len, ==, 8);
}

static void
test_preparing (Fixture      *fixture,
                gconstpointer data)
{
  make_window (fixture);
  recorded_engine_set_pace (fixture->engine, UNTIL_STOPPED);
  open_path (fixture, fixture->picture);
  WAIT_WHILE (recorded_engine_count (fixture->engine, DESCRY_JOB_ANALYZE) == 0);
  ui_test_pump (50);
  descry_engine_emit_stage (DESCRY_ENGINE (fixture->engine), NULL, "kernels", -1.0, "pthread-skylake-avx512-AMD EPYC");
  ui_test_pump (50);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (fixture->window), GTK_TYPE_LABEL, "Preparing the device (first time): pthread-skylake-avx512-AMD EPYC"));
  look_at (fixture, "preparing");
  press (fixture, "Stop this");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_null (descry_window_get_message (fixture->window));
  ui_test_pump (50);
  g_assert_null (find_button (fixture, "Stop this"));
}

static void
test_nothing_found (Fixture      *fixture,
                    gconstpointer data)
{
  DescryCanvas *canvas;

  make_window (fixture);
  open_picture (fixture);
  canvas = descry_window_get_canvas (fixture->window);
  g_object_set (canvas, "threshold", 0.99, NULL);
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.panel", "s", "objects");
  ui_test_pump (300);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (fixture->window), GTK_TYPE_LABEL, "No objects above 0.99"));
  look_at (fixture, "nothing-found");
  press (fixture, "Lower the Threshold");
  WAIT_WHILE (descry_canvas_get_view (canvas)->threshold > 0.98);
  look_at (fixture, "objects");
}

static void
test_conversation (Fixture      *fixture,
                   gconstpointer data)
{
  GtkWidget *chat;

  make_window (fixture);
  open_picture (fixture);
  chat = GTK_WIDGET (descry_window_get_chat (fixture->window));
  recorded_engine_set_pace (fixture->engine, 200);
  descry_chat_add_chip (DESCRY_CHAT (chat), 1);
  descry_chat_add_chip (DESCRY_CHAT (chat), 3);
  look_at (fixture, "chips");
  ask (fixture, "Where are these?");
  ui_test_pump (350);
  recorded_engine_set_pace (fixture->engine, UNTIL_STOPPED);
  g_assert_true (descry_chat_is_running (DESCRY_CHAT (chat)));
  look_at (fixture, "answering");
  press (fixture, "Stop");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_nonnull (ui_test_find (chat, GTK_TYPE_LABEL, "Stopped"));
  g_assert_nonnull (ui_test_find (chat, GTK_TYPE_BUTTON, "Ask again about these"));
  look_at (fixture, "stopped");

  /* It goes on where it was, as the same turn. */
  recorded_engine_set_pace (fixture->engine, 1);
  press (fixture, "Go on with this answer");
  WAIT_WHILE (descry_window_is_idle (fixture->window));
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  {
    g_autoptr (GPtrArray) history = descry_chat_get_history (DESCRY_CHAT (chat));
    DescryTurn *turn = g_ptr_array_index (history, 0);

    g_assert_cmpuint (history->len, ==, 1);
    g_assert_cmpstr (turn->answer, ==, ANSWER);
    g_assert_cmpuint (turn->chips->len, ==, 2);
  }
  g_assert_null (ui_test_find (chat, GTK_TYPE_LABEL, "Stopped"));
  g_assert_null (find_button (fixture, "Go on with this answer"));

  recorded_engine_set_left_out (fixture->engine, 3);
  ask (fixture, "And what else is there, and where does it stand, as seen from the one who took the photo?");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  check_bar (fixture, "the 3 oldest turns were left out", FALSE, FALSE, FALSE);
  look_at (fixture, "context-full");
  press (fixture, "New _Conversation");
  WAIT_WHILE (descry_window_get_message (fixture->window) != NULL);
  g_assert_null (ui_test_find (chat, GTK_TYPE_LABEL, "Stopped"));

  /* An answer that fails says so at its place and, where something can be done, in the bar. */
  recorded_engine_fail_next (fixture->engine, g_error_new (DESCRY_ERROR, DESCRY_ERROR_OUT_OF_MEMORY, "the language model needs 8.1 GB, the device reports 8.0"));
  ask (fixture, "How many cups are there?");
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  check_bar (fixture, "8.1 GB", TRUE, TRUE, FALSE);
  look_at (fixture, "answer-failed");
}

static void
test_inspect (Fixture      *fixture,
              gconstpointer data)
{
  const guint id = 3;

  make_window (fixture);
  open_picture (fixture);
  descry_canvas_select (descry_window_get_canvas (fixture->window), &id, 1);
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.panel", "s", "inspect");
  g_assert_cmpuint (look_at (fixture, "inspect"), >=, 3);
}

static void
test_compare (Fixture      *fixture,
              gconstpointer data)
{
  const guint ids[] = { 1, 4 };

  make_window (fixture);
  open_picture (fixture);
  descry_canvas_select (descry_window_get_canvas (fixture->window), ids, G_N_ELEMENTS (ids));
  gtk_widget_activate_action (GTK_WIDGET (fixture->window), "win.panel", "s", "inspect");
  g_assert_cmpuint (look_at (fixture, "compare"), >=, 3);
}

/* What is shown on the picture, with its thresholds: a popover is a surface of its own. */
static void
test_shown (Fixture      *fixture,
            gconstpointer data)
{
  g_autofree char *file = g_strdup_printf ("state-%s-shown.png", look);
  static const char *const resets[] = { "Reset the threshold", "Reset the overlap", "Reset the threshold of tags", "_Reset All" };
  GtkWidget *button, *popover;
  guint i;

  make_window (fixture);
  open_picture (fixture);
  button = ui_test_find (GTK_WIDGET (fixture->window), GTK_TYPE_MENU_BUTTON, "What is shown on the picture");
  popover = GTK_WIDGET (gtk_menu_button_get_popover (GTK_MENU_BUTTON (button)));
  gtk_menu_button_popup (GTK_MENU_BUTTON (button));
  WAIT_WHILE (!gtk_widget_get_mapped (popover));
  ui_test_look (popover, file);
  for (i = 0; i < G_N_ELEMENTS (resets); i++)
    g_assert_nonnull (ui_test_find (popover, GTK_TYPE_BUTTON, resets[i]));
  gtk_menu_button_popdown (GTK_MENU_BUTTON (button));
}

/* A full disk, a folder that cannot be written: said until it is closed, and everything else goes on. */
static void
test_trouble (Fixture      *fixture,
              gconstpointer data)
{
  make_window (fixture);
  open_picture (fixture);
  descry_window_show_trouble (fixture->window, "What is changed and said is not kept for now: database or disk is full");
  check_bar (fixture, "disk is full", FALSE, FALSE, FALSE);
  look_at (fixture, "trouble");
  press (fixture, "Close the message");
  WAIT_WHILE (descry_window_get_message (fixture->window) != NULL);
}

/* A region made of points, and where the segmenter takes none. */
static void
test_points (Fixture      *fixture,
             gconstpointer data)
{
  static const DescryPoint points[] = { { 320, 60, FALSE }, { 400, 60, FALSE }, { 360, 60, TRUE } };
  DescryCanvas *canvas;

  recorded_engine_set_promptable (fixture->engine, TRUE);
  make_window (fixture);
  open_picture (fixture);
  canvas = descry_window_get_canvas (fixture->window);
  WAIT_WHILE (find_button (fixture, "Add points to a region (Shift+click)") == NULL);
  descry_canvas_set_points (canvas, points, G_N_ELEMENTS (points));
  g_signal_emit_by_name (canvas, "points-changed", FALSE);
  WAIT_WHILE (!descry_window_is_idle (fixture->window));
  g_assert_cmpuint (recorded_engine_count (fixture->engine, DESCRY_JOB_POINTS), ==, 1);
  look_at (fixture, "points");

  recorded_engine_set_promptable (fixture->engine, FALSE);
  WAIT_WHILE (find_button (fixture, "Add points to a region (Shift+click)") != NULL);
  g_assert_cmpuint (descry_canvas_get_points (canvas)->len, ==, 0);
  g_assert_false (gtk_widget_is_sensitive (find_button (fixture, "This segmenter works on whole regions: click or draw a box instead of + and − points.")));
  look_at (fixture, "no-points");
}

/* The application's windows are tested elsewhere; here their buttons must look as they do. */
static void
nothing_action (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       data)
{
}

static void
set_look (void)
{
  int dpi;

  if (strcmp (look, "dark") == 0)
    adw_style_manager_set_color_scheme (adw_style_manager_get_default (), ADW_COLOR_SCHEME_FORCE_DARK);
  else if (strcmp (look, "rtl") == 0)
    gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  else if (strcmp (look, "large") == 0)
    {
      g_object_get (gtk_settings_get_default (), "gtk-xft-dpi", &dpi, NULL);
      g_object_set (gtk_settings_get_default (), "gtk-xft-dpi", (dpi > 0 ? dpi : 96 * 1024) * 3 / 2, NULL);
    }
  else if (strcmp (look, "contrast") == 0)
    g_assert_true (adw_style_manager_get_high_contrast (adw_style_manager_get_default ()));
}

int
main (int    argc,
      char **argv)
{
  static const struct
  {
    const char *path;
    void (*test) (Fixture *fixture, gconstpointer data);
  } tests[] = {
    { "/states/empty", test_empty },
    { "/states/decoding", test_decoding },
    { "/states/unreadable", test_unreadable },
    { "/states/models", test_models },
    { "/states/no device", test_no_device },
    { "/states/failures", test_failures },
    { "/states/preparing", test_preparing },
    { "/states/nothing found", test_nothing_found },
    { "/states/conversation", test_conversation },
    { "/states/inspect", test_inspect },
    { "/states/compare", test_compare },
    { "/states/shown", test_shown },
    { "/states/trouble", test_trouble },
    { "/states/points", test_points },
  };
  static const GActionEntry actions[] = { { "models", nothing_action }, { "devices", nothing_action } };
  int status;
  guint i;

  gtk_test_init (&argc, &argv, NULL);
  g_setenv ("GTK_A11Y", "test", TRUE);
  look = g_getenv ("DESCRY_TEST_LOOK") != NULL ? g_getenv ("DESCRY_TEST_LOOK") : "light";
  descry_ui_init ();
  folder = g_dir_make_tmp ("descry-states-XXXXXX", NULL);
  g_assert_nonnull (folder);
  application = ui_test_application ();
  g_action_map_add_action_entries (G_ACTION_MAP (application), actions, G_N_ELEMENTS (actions), NULL);
  set_look ();
  /* What moves is at its end at once: on a slow machine a picture would be taken half way. */
  g_object_set (gtk_settings_get_default (), "gtk-enable-animations", FALSE, NULL);

  for (i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);

  status = g_test_run ();
  g_object_unref (application);
  return status;
}
