/* accessible.c - the program as a screen reader has it: the tree on the accessibility bus, and a question asked by it alone
 *
 * Runs the real program with the compact bundle inside a session bus of its own; no pointer, no key.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include "tests/flow/flow.h"

#define ACCESSIBLE "org.a11y.atspi.Accessible"
#define MAX_DEPTH  40

/* An object on the bus. */
typedef struct
{
  char *bus;
  char *path;
} Ref;

static GDBusConnection *bus;
static guint n_nameless, n_things;

static void
free_ref (gpointer data)
{
  Ref *ref = data;

  if (ref == NULL)
    return;
  g_free (ref->bus);
  g_free (ref->path);
  g_free (ref);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Ref, free_ref)

static Ref *
new_ref (const char *name,
         const char *path)
{
  Ref *ref = g_new (Ref, 1);

  ref->bus = g_strdup (name);
  ref->path = g_strdup (path);
  return ref;
}

/* NULL if the object has gone meanwhile. */
static GVariant *
call (const Ref  *ref,
      const char *interface,
      const char *method,
      GVariant   *arguments)
{
  return g_dbus_connection_call_sync (bus, ref->bus, ref->path, interface, method, arguments, NULL, G_DBUS_CALL_FLAGS_NONE, 20000, NULL, NULL);
}

static char *
get_role (const Ref *ref)
{
  g_autoptr (GVariant) answer = call (ref, ACCESSIBLE, "GetRoleName", NULL);
  char *role = NULL;

  if (answer != NULL)
    g_variant_get (answer, "(s)", &role);
  return role != NULL ? role : g_strdup ("");
}

static char *
get_name (const Ref *ref)
{
  g_autoptr (GVariant) answer = call (ref, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", ACCESSIBLE, "Name"));
  g_autoptr (GVariant) value = NULL;

  if (answer == NULL)
    return g_strdup ("");
  g_variant_get (answer, "(v)", &value);
  return g_variant_dup_string (value, NULL);
}

static GPtrArray *
get_children (const Ref *ref)
{
  g_autoptr (GVariant) answer = call (ref, ACCESSIBLE, "GetChildren", NULL);
  g_autoptr (GVariantIter) iter = NULL;
  GPtrArray *children = g_ptr_array_new_with_free_func (free_ref);
  const char *name, *path;

  if (answer == NULL)
    return children;
  g_variant_get (answer, "(a(so))", &iter);
  while (g_variant_iter_next (iter, "(&s&o)", &name, &path))
    g_ptr_array_add (children, new_ref (name, path));
  return children;
}

/* The first object of the role whose name has @text in it; NULL is any. */
static Ref *
find (const Ref  *ref,
      const char *role,
      const char *text,
      guint       depth)
{
  g_autoptr (GPtrArray) children = NULL;
  g_autofree char *own = get_role (ref);
  guint i;

  if (strcmp (own, role) == 0)
    {
      g_autofree char *name = get_name (ref);

      if (text == NULL || strstr (name, text) != NULL)
        return new_ref (ref->bus, ref->path);
    }
  if (depth >= MAX_DEPTH)
    return NULL;
  children = get_children (ref);
  for (i = 0; i < children->len; i++)
    {
      Ref *found = find (g_ptr_array_index (children, i), role, text, depth + 1);

      if (found != NULL)
        return found;
    }

  return NULL;
}

static Ref *
wait_for (const Ref  *root,
          const char *role,
          const char *text)
{
  gint64 end = g_get_monotonic_time () + 180 * G_TIME_SPAN_SECOND;
  Ref *found;

  while ((found = find (root, role, text, 0)) == NULL)
    {
      if (g_get_monotonic_time () > end)
        g_error ("no %s named “%s” after three minutes", role, text != NULL ? text : "");
      g_usleep (300000);
    }

  return found;
}

/* GTK hands out the type's name where nobody gave one. */
static void
check_names (const Ref *ref,
             guint      depth)
{
  static const char *const roles[] = { "button", "toggle button", "text box", "slider", "tab", "list", "list item", "log", NULL };
  g_autoptr (GPtrArray) children = get_children (ref);
  g_autofree char *role = get_role (ref);
  guint i;

  if (g_strv_contains (roles, role))
    {
      g_autofree char *name = get_name (ref);

      n_things++;
      if (*name == '\0' || g_str_has_prefix (name, "Gtk") || g_str_has_prefix (name, "Adw") || g_str_has_prefix (name, "Descry"))
        {
          g_test_message ("a %s has no name: “%s” at %s", role, name, ref->path);
          n_nameless++;
        }
    }
  for (i = 0; i < children->len && depth < MAX_DEPTH; i++)
    check_names (g_ptr_array_index (children, i), depth + 1);
}

static void
press (const Ref *ref)
{
  g_autoptr (GVariant) answer = call (ref, "org.a11y.atspi.Action", "DoAction", g_variant_new ("(i)", 0));
  gboolean done = FALSE;

  g_assert_nonnull (answer);
  g_variant_get (answer, "(b)", &done);
  g_assert_true (done);
}

static gboolean
open_bus (void)
{
  g_autoptr (GDBusConnection) session = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GError) error = NULL;
  const char *address;

  if (session == NULL)
    {
      g_test_skip ("there is no session bus");
      return FALSE;
    }
  answer = g_dbus_connection_call_sync (session, "org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", NULL, G_VARIANT_TYPE ("(s)"),
                                        G_DBUS_CALL_FLAGS_NONE, 20000, NULL, &error);
  if (answer == NULL)
    {
      g_test_skip (error->message);
      return FALSE;
    }
  g_variant_get (answer, "(&s)", &address);
  bus = g_dbus_connection_new_for_address_sync (address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                NULL, NULL, &error);
  g_assert_no_error (error);
  return TRUE;
}

static GSubprocess *
start_program (const char *bundle,
               const char *photo,
               const char *home)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GError) error = NULL;
  GSubprocess *process;

  g_subprocess_launcher_setenv (launcher, "GTK_A11Y", "atspi", TRUE);
  g_subprocess_launcher_unsetenv (launcher, "NO_AT_BRIDGE");
  g_subprocess_launcher_setenv (launcher, "XDG_DATA_HOME", home, TRUE);
  process = g_subprocess_launcher_spawn (launcher, &error, g_getenv ("DESCRY_TEST_PROGRAM"), "--bundle", bundle, photo, NULL);
  g_assert_no_error (error);
  return process;
}

static void
test_question (void)
{
  g_autofree char *bundle = find_bundle (), *photo = bundle != NULL ? find_photo ("messi5.jpg") : NULL;
  g_autofree char *home = g_dir_make_tmp ("descry-accessible-XXXXXX", NULL), *name = NULL;
  g_autoptr (Ref) root = new_ref ("org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root");
  g_autoptr (Ref) window = NULL, picture = NULL, entry = NULL, send = NULL, ready = NULL, log = NULL, answer = NULL, tab = NULL, row = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GVariant) set = NULL;

  if (photo == NULL || !open_bus ())
    return;

  process = start_program (bundle, photo, home);
  window = wait_for (root, "window", "messi5.jpg");

  /* Everything on the picture is a row of a list too; the picture says how much it is. */
  row = wait_for (window, "list item", "ball, score 0.");
  picture = wait_for (window, "image", "Photo, ");
  name = get_name (picture);
  g_test_message ("the picture: “%s”", name);
  g_assert_cmpstr (name, !=, "Photo, 0 objects");
  check_names (window, 0);
  g_test_message ("%u things to use, %u without a name", n_things, n_nameless);
  g_assert_cmpuint (n_things, >, 8);
  g_assert_cmpuint (n_nameless, ==, 0);

  /* Asked and answered. */
  entry = wait_for (window, "text box", "Question");
  set = call (entry, "org.a11y.atspi.EditableText", "SetTextContents", g_variant_new ("(s)", "How many balls are there?"));
  g_assert_nonnull (set);
  send = wait_for (window, "button", "Send");
  press (send);
  log = wait_for (window, "log", NULL);
  answer = wait_for (log, "label", "ball");
  ready = wait_for (window, "button", "Send");

  tab = wait_for (window, "tab", "Objects");
  press (tab);

  g_subprocess_send_signal (process, 15);
  g_subprocess_wait (process, NULL, NULL);
  g_clear_object (&bus);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/accessible/question", test_question);

  return g_test_run ();
}
