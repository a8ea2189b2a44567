/* models.c - the window of the networks on a made-up bundle: states, adding, removing with undo
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <string.h>

#include <glib/gstdio.h>

#include "compute/device/report.h"
#include "compute/files/gguf.h"
#include "compute/memory.h"
#include "tests/display/ui-test.h"
#include "ui/card.h"
#include "ui/main-thread.h"
#include "ui/models-page.h"

static AdwApplication *application;

/* --------- An engine that counts how often it is told to reload ------------------ */

#define TYPE_COUNTING_ENGINE (counting_engine_get_type ())
G_DECLARE_FINAL_TYPE (CountingEngine, counting_engine, COUNTING, ENGINE, DescryEngine)

struct _CountingEngine
{
  DescryEngine parent_instance;
  guint        reloads;
};

G_DEFINE_TYPE (CountingEngine, counting_engine, DESCRY_TYPE_ENGINE)

static void
counting_engine_reload (DescryEngine *engine,
                        const char   *device)
{
  g_assert_null (device); /* the device stays */
  COUNTING_ENGINE (engine)->reloads++;
}

static void
counting_engine_class_init (CountingEngineClass *class)
{
  DESCRY_ENGINE_CLASS (class)->reload = counting_engine_reload;
}

static void
counting_engine_init (CountingEngine *self)
{
}

/* --------- A bundle ------------------ */

typedef struct
{
  char             *folder; /* of the bundle */
  char             *outside; /* where files to add are */
  CountingEngine   *engine;
  GSettings        *settings;
  DescryModelsPage *page;
} Fixture;

static char *
write_network (const char *folder,
               const char *name,
               const char *architecture,
               const char *title)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (GError) error = NULL;
  float *values = descry_try_alloc (64, sizeof *values);
  const guint64 dims[] = { 64 };
  char *path = g_build_filename (folder, name, NULL);
  guint i;

  g_assert_nonnull (values);
  for (i = 0; i < 64; i++)
    values[i] = i;
  descry_gguf_writer_set_string (writer, "general.architecture", architecture);
  descry_gguf_writer_set_string (writer, "general.name", title);
  descry_gguf_writer_set_string (writer, "general.license", "MIT");
  descry_gguf_writer_add (writer, "weight", DESCRY_GGML_F32, 1, dims, values, 64 * sizeof *values);
  g_assert_true (descry_gguf_writer_write (writer, path, &error));
  g_assert_no_error (error);

  return path;
}

static char *
write_adapter (const char *folder,
               const char *name)
{
  g_autoptr (DescryGgufWriter) writer = descry_gguf_writer_new ();
  g_autoptr (GError) error = NULL;
  float *values = descry_try_alloc (64, sizeof *values);
  const guint64 dims[] = { 64 };
  char *path = g_build_filename (folder, name, NULL);

  g_assert_nonnull (values);
  memset (values, 0, 64 * sizeof *values);
  descry_gguf_writer_set_string (writer, "general.type", "adapter");
  descry_gguf_writer_set_string (writer, "general.architecture", "llama");
  descry_gguf_writer_set_string (writer, "general.description", "Trained by Descry 0.1.0 on nothing");
  descry_gguf_writer_set_string (writer, "adapter.type", "lora");
  descry_gguf_writer_add (writer, "weight.lora_a", DESCRY_GGML_F32, 1, dims, values, 64 * sizeof *values);
  g_assert_true (descry_gguf_writer_write (writer, path, &error));
  g_assert_no_error (error);

  return path;
}

static gboolean
is_there (Fixture    *fixture,
          const char *name)
{
  g_autofree char *path = g_build_filename (fixture->folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

/* How many files the slot has in bundle.json. */
static guint
count_files (Fixture   *fixture,
             DescrySlot slot)
{
  g_autoptr (DescryBundle) bundle = descry_bundle_open (fixture->folder, NULL);

  g_assert_nonnull (bundle);
  return bundle->slots[slot]->len;
}

static void
open_page (Fixture *fixture)
{
  fixture->page = DESCRY_MODELS_PAGE (descry_models_page_new (NULL, DESCRY_ENGINE (fixture->engine), fixture->settings, fixture->folder));
  gtk_window_present (GTK_WINDOW (fixture->page));
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  ui_test_pump (60);
}

static void
set_up (Fixture      *fixture,
        gconstpointer data)
{
  g_autoptr (DescryBundle) bundle = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *tagger = NULL, *detector = NULL, *json = NULL;

  fixture->folder = g_dir_make_tmp ("descry-models-XXXXXX", NULL);
  fixture->outside = g_dir_make_tmp ("descry-outside-XXXXXX", NULL);
  fixture->engine = g_object_new (TYPE_COUNTING_ENGINE, NULL);
  fixture->settings = g_settings_new (DESCRY_APPLICATION_ID);
  json = g_build_filename (fixture->folder, "bundle.json", NULL);
  g_assert_true (g_file_set_contents (json, "{\"descry\":1,\"name\":\"small\",\"title\":\"A small bundle\",\"slots\":{},"
                                            "\"missing\":{\"connector\":\"it is not trained yet\"}}", -1, NULL));
  bundle = descry_bundle_open (fixture->folder, &error);
  g_assert_no_error (error);
  tagger = write_network (fixture->outside, "tagger.gguf", "efficientnet-lite", "EfficientNet-Lite0");
  detector = write_network (fixture->outside, "detector.gguf", "nanodet", "NanoDet & friends <COCO>");
  g_assert_true (descry_bundle_add (bundle, DESCRY_SLOT_TAGGER, tagger, &error));
  g_assert_true (descry_bundle_add (bundle, DESCRY_SLOT_DETECTOR, detector, &error));
  open_page (fixture);
}

static void
remove_folder (char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
  g_free (folder);
}

static void
tear_down (Fixture      *fixture,
           gconstpointer data)
{
  gpointer alive = fixture->page, engine = fixture->engine;

  if (fixture->page != NULL)
    {
      g_object_add_weak_pointer (G_OBJECT (fixture->page), &alive);
      gtk_window_destroy (GTK_WINDOW (fixture->page));
      WAIT_WHILE (alive != NULL);
    }
  g_object_add_weak_pointer (G_OBJECT (fixture->engine), &engine);
  g_object_unref (fixture->engine);
  g_object_unref (fixture->settings);
  WAIT_WHILE (engine != NULL);
  remove_folder (fixture->folder);
  remove_folder (fixture->outside);
}

/* --------- Tests ------------------ */

static void
test_list (Fixture      *fixture,
           gconstpointer data)
{
  GtkWidget *page = GTK_WIDGET (fixture->page);
  guint n = 0;

  g_assert_nonnull (ui_test_find (page, GTK_TYPE_LABEL, "EfficientNet-Lite0"));
  g_assert_nonnull (ui_test_find (page, GTK_TYPE_LABEL, "NanoDet & friends <COCO>"));
  g_assert_nonnull (ui_test_find (page, GTK_TYPE_LABEL, "it is not trained yet"));
  g_assert_nonnull (ui_test_find (page, GTK_TYPE_LABEL, "no network is installed for it"));
  ui_test_walk (page, ui_test_check_named, &n);
  g_assert_cmpuint (n, >=, 4); /* Verify and Remove of two files */
  ui_test_look (page, "models.png");
}

static void
test_verify (Fixture      *fixture,
             gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "tagger.gguf", NULL), *bytes = NULL;
  gsize length;

  descry_models_page_verify (fixture->page, NULL);
  g_assert_false (descry_models_page_is_idle (fixture->page));
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_null (descry_models_page_get_error (fixture->page));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (fixture->page), GTK_TYPE_LABEL, "All files are right"));

  /* One byte is another one: same size, so only the hash tells. */
  g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
  bytes[length - 1] ^= 1;
  g_assert_true (g_file_set_contents (path, bytes, length, NULL));
  descry_models_page_verify (fixture->page, "tagger.gguf");
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_nonnull (strstr (descry_models_page_get_error (fixture->page), "SHA-256"));
  g_assert_cmpuint (fixture->engine->reloads, ==, 0);
  ui_test_look (GTK_WIDGET (fixture->page), "models-wrong.png");

  /* The other one is still right. */
  descry_models_page_verify (fixture->page, "detector.gguf");
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_null (descry_models_page_get_error (fixture->page));
}

static void
test_add (Fixture      *fixture,
          gconstpointer data)
{
  g_autofree char *good = write_network (fixture->outside, "words.gguf", "llama", "A language model");
  g_autofree char *other = write_network (fixture->outside, "other.gguf", "isnet", "A segmenter");
  g_autofree char *broken = g_build_filename (fixture->outside, "broken.gguf", NULL);
  const char *message;

  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, good);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_null (descry_models_page_get_error (fixture->page));
  g_assert_true (is_there (fixture, "words.gguf"));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_LLM), ==, 1);
  g_assert_cmpuint (fixture->engine->reloads, ==, 1);
  g_assert_nonnull (ui_test_find (GTK_WIDGET (fixture->page), GTK_TYPE_LABEL, "A language model"));

  /* For another slot: file, expected, found. Nothing changes. */
  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, other);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  message = descry_models_page_get_error (fixture->page);
  g_assert_nonnull (strstr (message, "other.gguf"));
  g_assert_nonnull (strstr (message, "llama"));
  g_assert_nonnull (strstr (message, "isnet"));
  g_assert_false (is_there (fixture, "other.gguf"));

  g_assert_true (g_file_set_contents (broken, "GGUF and then nonsense", -1, NULL));
  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, broken);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_nonnull (strstr (descry_models_page_get_error (fixture->page), "broken.gguf"));
  g_assert_true (is_there (fixture, "words.gguf"));
  g_assert_cmpuint (fixture->engine->reloads, ==, 1);
}

static void
test_undo (Fixture      *fixture,
           gconstpointer data)
{
  GtkWidget *page = GTK_WIDGET (fixture->page);

  descry_models_page_remove (fixture->page, DESCRY_SLOT_TAGGER, "tagger.gguf");
  descry_models_page_remove (fixture->page, DESCRY_SLOT_DETECTOR, "detector.gguf");
  ui_test_pump (400);
  g_assert_null (ui_test_find (page, GTK_TYPE_LABEL, "EfficientNet-Lite0"));
  g_assert_true (is_there (fixture, "tagger.gguf"));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_TAGGER), ==, 1);
  ui_test_look (page, "models-removed.png");

  gtk_widget_activate (ui_test_find (page, GTK_TYPE_BUTTON, "_Undo"));
  ui_test_pump (1000);
  g_assert_true (descry_models_page_is_idle (fixture->page));
  g_assert_nonnull (ui_test_find (page, GTK_TYPE_LABEL, "EfficientNet-Lite0"));
  g_assert_true (is_there (fixture, "tagger.gguf"));
  g_assert_true (is_there (fixture, "detector.gguf"));

  /* The same without the button. */
  descry_models_page_remove (fixture->page, DESCRY_SLOT_TAGGER, "tagger.gguf");
  ui_test_pump (400);
  descry_models_page_undo (fixture->page);
  ui_test_pump (1000);
  g_assert_true (is_there (fixture, "tagger.gguf"));
  g_assert_cmpuint (fixture->engine->reloads, ==, 0);
}

/* The message times out: now the file is deleted, and the engine hears of it. */
static void
test_remove (Fixture      *fixture,
             gconstpointer data)
{
  descry_models_page_remove (fixture->page, DESCRY_SLOT_TAGGER, "tagger.gguf");
  ui_test_pump (2000);
  g_assert_true (is_there (fixture, "tagger.gguf"));
  WAIT_WHILE (fixture->engine->reloads == 0);
  g_assert_false (is_there (fixture, "tagger.gguf"));
  g_assert_true (is_there (fixture, "detector.gguf"));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_TAGGER), ==, 0);
  g_assert_null (descry_models_page_get_error (fixture->page));
}

/* The message goes with its window; the file then too. */
static void
test_close (Fixture      *fixture,
            gconstpointer data)
{
  gpointer alive = fixture->page;

  g_object_add_weak_pointer (G_OBJECT (fixture->page), &alive);
  descry_models_page_remove (fixture->page, DESCRY_SLOT_TAGGER, "tagger.gguf");
  ui_test_pump (100);
  g_assert_true (is_there (fixture, "tagger.gguf"));
  gtk_window_destroy (GTK_WINDOW (fixture->page));
  fixture->page = NULL;
  WAIT_WHILE (alive != NULL);
  WAIT_WHILE (fixture->engine->reloads == 0);
  g_assert_false (is_there (fixture, "tagger.gguf"));
}

static void
test_missing (Fixture      *fixture,
              gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "bundle.json", NULL);

  gtk_window_destroy (GTK_WINDOW (fixture->page));
  g_assert_true (g_file_set_contents (path, "[]", -1, NULL));
  open_page (fixture);
  g_assert_nonnull (descry_models_page_get_error (fixture->page));
  g_assert_nonnull (ui_test_find (GTK_WIDGET (fixture->page), GTK_TYPE_LABEL, "Models Needed"));
  ui_test_look (GTK_WIDGET (fixture->page), "models-missing.png");
}

static GtkWidget *
find_window (const char *title)
{
  GListModel *windows = gtk_window_get_toplevels ();
  guint i;

  for (i = 0; i < g_list_model_get_n_items (windows); i++)
    {
      g_autoptr (GtkWindow) window = g_list_model_get_item (windows, i);

      if (gtk_widget_get_mapped (GTK_WIDGET (window)) && ui_test_find (GTK_WIDGET (window), GTK_TYPE_LABEL, title) != NULL)
        return GTK_WIDGET (window);
    }

  return NULL;
}

/* A slot that is taken is not given away without asking. */
static void
test_replace (Fixture      *fixture,
              gconstpointer data)
{
  g_autofree char *other = write_network (fixture->outside, "other.gguf", "efficientnet-lite", "Another tagger");
  GtkWidget *dialog;

  descry_models_page_add (fixture->page, DESCRY_SLOT_TAGGER, other);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  WAIT_WHILE ((dialog = find_window ("Replace the Network?")) == NULL);
  g_assert_true (is_there (fixture, "tagger.gguf"));
  g_assert_false (is_there (fixture, "other.gguf"));
  ui_test_look (dialog, "models-replace.png");
  gtk_widget_activate (ui_test_find (dialog, GTK_TYPE_BUTTON, "_Cancel"));
  ui_test_pump (300);
  g_assert_true (descry_models_page_is_idle (fixture->page));
  g_assert_true (is_there (fixture, "tagger.gguf"));
  g_assert_cmpuint (fixture->engine->reloads, ==, 0);

  descry_models_page_add (fixture->page, DESCRY_SLOT_TAGGER, other);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  WAIT_WHILE ((dialog = find_window ("Replace the Network?")) == NULL);
  gtk_widget_activate (ui_test_find (dialog, GTK_TYPE_BUTTON, "_Replace"));
  WAIT_WHILE (fixture->engine->reloads == 0);
  g_assert_true (is_there (fixture, "other.gguf"));
  g_assert_false (is_there (fixture, "tagger.gguf"));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_TAGGER), ==, 1);
}

/* The card's text: marks that are closed, and those that are not. */
static void
test_card (Fixture      *fixture,
           gconstpointer data)
{
  static const struct
  {
    const char *line, *markup;
  } lines[] = {
    { "", "" },
    { "plain & <simple>", "plain &amp; &lt;simple&gt;" },
    { "**strong** and `code & more`", "<b>strong</b> and <tt>code &amp; more</tt>" },
    { "`", "`" },
    { "**", "**" },
    { "****", "****" },
    { "a * b ** c", "a * b ** c" },
    { "not `closed", "not `closed" },
    { "ä**ö**", "ä<b>ö</b>" },
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autofree char *markup = descry_card_markup (lines[i].line);

      g_assert_cmpstr (markup, ==, lines[i].markup);
      g_assert_true (pango_parse_markup (markup, -1, 0, NULL, NULL, NULL, NULL));
    }
}

/* Adapters join the language model; a switch leaves them out; what Descry trained has a card. */
static void
test_adapter (Fixture      *fixture,
              gconstpointer data)
{
  g_autofree char *words = write_network (fixture->outside, "words.gguf", "llama", "A language model");
  g_autofree char *adapter = write_adapter (fixture->outside, "adapter.gguf");
  GtkWidget *page = GTK_WIDGET (fixture->page), *use, *row, *card;

  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, adapter);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_nonnull (strstr (descry_models_page_get_error (fixture->page), "language model"));
  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, words);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  descry_models_page_add (fixture->page, DESCRY_SLOT_LLM, adapter);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_null (descry_models_page_get_error (fixture->page));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_LLM), ==, 2);
  descry_models_page_add (fixture->page, DESCRY_SLOT_TAGGER, adapter);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_null (find_window ("Replace the Network?"));
  g_assert_nonnull (strstr (descry_models_page_get_error (fixture->page), "adapter"));

  g_assert_true (g_settings_get_boolean (fixture->settings, "use-adapter"));
  use = ui_test_find (page, GTK_TYPE_SWITCH, NULL);
  g_assert_true (gtk_switch_get_active (GTK_SWITCH (use)));
  gtk_switch_set_active (GTK_SWITCH (use), FALSE);
  g_assert_false (g_settings_get_boolean (fixture->settings, "use-adapter"));
  g_settings_reset (fixture->settings, "use-adapter");

  row = gtk_widget_get_ancestor (use, ADW_TYPE_EXPANDER_ROW);
  adw_expander_row_set_expanded (ADW_EXPANDER_ROW (row), TRUE);
  ui_test_pump (600);
  WAIT_WHILE (ui_test_find (row, GTK_TYPE_LABEL, "Trained by Descry") == NULL);
  gtk_window_set_default_size (GTK_WINDOW (page), 600, 1500);
  ui_test_look (page, "models-adapter.png");
  gtk_widget_activate (ui_test_find (row, GTK_TYPE_BUTTON, "Model _Card"));
  WAIT_WHILE ((card = find_window ("What Descry trained itself: connector and adapters of the default bundle")) == NULL);
  ui_test_look (card, "models-card.png");
  gtk_window_destroy (GTK_WINDOW (card));
}

/* Foreign checkpoints: the real one is among what set-up keeps; nonsense names each architecture's complaint. */
static void
test_convert (Fixture      *fixture,
              gconstpointer data)
{
  g_autofree char *source = g_build_filename (g_get_home_dir (), ".cache", "descry", "sources",
                                              "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", NULL);
  g_autofree char *nonsense = g_build_filename (fixture->outside, "nonsense.pth", NULL);
  g_autofree char *checkpoint = g_build_filename (fixture->outside, "efficientnet.pth", NULL);
  g_autofree char *bytes = NULL;
  const char *message;
  gsize length;

  g_assert_true (g_file_set_contents (nonsense, "no checkpoint at all", -1, NULL));
  descry_models_page_remove (fixture->page, DESCRY_SLOT_DETECTOR, "detector.gguf");
  descry_models_page_add (fixture->page, DESCRY_SLOT_DETECTOR, nonsense);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  message = descry_models_page_get_error (fixture->page);
  g_assert_nonnull (strstr (message, "nanodet: "));
  g_assert_nonnull (strstr (message, "centernet: "));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_DETECTOR), ==, 0);

  if (!g_file_get_contents (source, &bytes, &length, NULL))
    {
      g_test_skip ("the classifier's checkpoint is not among the sources that set-up keeps");
      return;
    }
  g_assert_true (g_file_set_contents (checkpoint, bytes, length, NULL));
  descry_models_page_add (fixture->page, DESCRY_SLOT_ENCODER, checkpoint);
  WAIT_WHILE (!descry_models_page_is_idle (fixture->page));
  g_assert_cmpstr (descry_models_page_get_error (fixture->page), ==, NULL);
  g_assert_true (is_there (fixture, "efficientnet.gguf"));
  g_assert_cmpuint (count_files (fixture, DESCRY_SLOT_ENCODER), ==, 1);
}

static void
set_memory (Fixture *fixture,
            guint64  memory,
            guint64  taken)
{
  DescryEngineStatus *status = descry_engine_status (DESCRY_ENGINE (fixture->engine));

  status->device_memory = status->device_buffer = memory;
  status->device_bytes = taken;
  descry_engine_set_status (DESCRY_ENGINE (fixture->engine), status);
  ui_test_pump (100);
}

/* What fits is told before anything is loaded, and anew when the device is another one. */
static void
test_fits (Fixture      *fixture,
           gconstpointer data)
{
  GtkWidget *page = GTK_WIDGET (fixture->page);

  gtk_window_set_default_size (GTK_WINDOW (page), 600, 1500);
  set_memory (fixture, (guint64) 8 << 30, 5 << 20);
  g_assert_nonnull (ui_test_find_text (page, " · fits"));
  g_assert_null (ui_test_find_text (page, "does not fit"));
  g_assert_nonnull (ui_test_find_text (page, "of 8.0\302\240GiB of the device; 5.0\302\240MiB are taken now"));
  set_memory (fixture, (guint64) 8 << 30, 6 << 20);
  g_assert_nonnull (ui_test_find_text (page, "6.0\302\240MiB are taken now"));
  set_memory (fixture, 1 << 20, 0);
  g_assert_nonnull (ui_test_find_text (page, "does not fit"));
  ui_test_look (page, "models-fits.png");
}

/* Narrow, right to left, large letters, dark. */
static void
test_states (Fixture      *fixture,
             gconstpointer data)
{
  GtkSettings *settings = gtk_settings_get_default ();
  AdwStyleManager *style = adw_style_manager_get_default ();
  GtkWidget *page = GTK_WIDGET (fixture->page);
  int least;
  int dpi;

  gtk_widget_measure (page, GTK_ORIENTATION_HORIZONTAL, -1, &least, NULL, NULL, NULL);
  g_test_message ("least width %d px", least);
  g_assert_cmpint (least, <=, 360);
  gtk_window_set_default_size (GTK_WINDOW (page), 360, 640);
  ui_test_look (page, "models-narrow.png");

  gtk_widget_set_default_direction (GTK_TEXT_DIR_RTL);
  gtk_window_destroy (GTK_WINDOW (page));
  open_page (fixture);
  ui_test_look (GTK_WIDGET (fixture->page), "models-rtl.png");
  gtk_widget_set_default_direction (GTK_TEXT_DIR_LTR);

  g_object_get (settings, "gtk-xft-dpi", &dpi, NULL);
  g_object_set (settings, "gtk-xft-dpi", 144 * 1024, NULL);
  gtk_window_destroy (GTK_WINDOW (fixture->page));
  open_page (fixture);
  ui_test_look (GTK_WIDGET (fixture->page), "models-large.png");
  g_object_set (settings, "gtk-xft-dpi", dpi, NULL);

  adw_style_manager_set_color_scheme (style, ADW_COLOR_SCHEME_FORCE_DARK);
  ui_test_look (GTK_WIDGET (fixture->page), "models-dark.png");
  adw_style_manager_set_color_scheme (style, ADW_COLOR_SCHEME_DEFAULT);
}

int
main (int    argc,
      char **argv)
{
  int status;

  gtk_test_init (&argc, &argv, NULL);
  g_setenv ("GTK_A11Y", "test", TRUE);
  descry_ui_init ();
  descry_device_set_program (g_getenv ("DESCRY_TEST_PROGRAM"));
  application = ui_test_application ();

  g_test_add ("/models/list", Fixture, NULL, set_up, test_list, tear_down);
  g_test_add ("/models/verify", Fixture, NULL, set_up, test_verify, tear_down);
  g_test_add ("/models/add", Fixture, NULL, set_up, test_add, tear_down);
  g_test_add ("/models/replace", Fixture, NULL, set_up, test_replace, tear_down);
  g_test_add ("/models/adapter", Fixture, NULL, set_up, test_adapter, tear_down);
  g_test_add ("/models/card", Fixture, NULL, set_up, test_card, tear_down);
  g_test_add ("/models/convert", Fixture, NULL, set_up, test_convert, tear_down);
  g_test_add ("/models/fits", Fixture, NULL, set_up, test_fits, tear_down);
  g_test_add ("/models/undo", Fixture, NULL, set_up, test_undo, tear_down);
  g_test_add ("/models/remove", Fixture, NULL, set_up, test_remove, tear_down);
  g_test_add ("/models/close", Fixture, NULL, set_up, test_close, tear_down);
  g_test_add ("/models/missing", Fixture, NULL, set_up, test_missing, tear_down);
  g_test_add ("/models/states", Fixture, NULL, set_up, test_states, tear_down);

  status = g_test_run ();
  g_object_unref (application);
  return status;
}
