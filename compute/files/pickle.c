/* pickle.c - plain values out of a Python pickle, read without running anything
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#define G_LOG_DOMAIN "descry-pickle"

#include "config.h"

#include "compute/files/pickle.h"

#include <errno.h>
#include <string.h>

#include "compute/error.h"
#include "compute/memory.h"

#define MAX_DEPTH 32
#define LONGEST_NAME ((gsize) 255)
#define LONGEST_LINE ((gsize) 1 << 18) /* a text of an opcode in lines */

enum
{
  OP_MARK = '(',
  OP_STOP = '.',
  OP_NONE = 'N',
  OP_NEWTRUE = 0x88,
  OP_NEWFALSE = 0x89,
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_LONG1 = 0x8a,
  OP_BINFLOAT = 'G',
  OP_BINUNICODE = 'X',
  OP_EMPTY_TUPLE = ')',
  OP_TUPLE = 't',
  OP_TUPLE1 = 0x85,
  OP_TUPLE2 = 0x86,
  OP_TUPLE3 = 0x87,
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_APPENDS = 'e',
  OP_EMPTY_DICT = '}',
  OP_SETITEM = 's',
  OP_SETITEMS = 'u',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_PROTO = 0x80,

  /* Plain pickles only. Protocol 0 writes lines, Python 2 its texts as bytes; 0x8c and later are of protocol 4. */
  OP_INT = 'I',
  OP_LONG = 'L',
  OP_FLOAT = 'F',
  OP_STRING = 'S',
  OP_UNICODE = 'V',
  OP_LIST = 'l',
  OP_DICT = 'd',
  OP_PUT = 'p',
  OP_GET = 'g',
  OP_BINSTRING = 'T',
  OP_SHORT_BINSTRING = 'U',
  OP_SHORT_BINUNICODE = 0x8c,
  OP_MEMOIZE = 0x94,
  OP_FRAME = 0x95
};

static const DescryPickleValue none = { PICKLE_NONE, 0, { 0 } };

/* Sets the cursor's problem, which ends the run; gives FALSE. */
gboolean
descry_pickle_refuse (DescryCursor *cursor,
                      const char   *problem)
{
  descry_cursor_fail (cursor, problem);
  return FALSE;
}

/* Makes room for one more of an array of @size bytes an element. */
gboolean
descry_pickle_grow (gpointer *items,
                    guint     n,
                    guint    *capacity,
                    gsize     size)
{
  gpointer larger;
  guint wanted;

  if (n < *capacity)
    return TRUE;

  wanted = MAX (*capacity * 2, 4);
  larger = descry_try_alloc (wanted, size);
  if (larger == NULL)
    return FALSE;

  if (n > 0)
    memcpy (larger, *items, n * size);
  descry_free (*items);
  *items = larger;
  *capacity = wanted;
  return TRUE;
}

gboolean
descry_pickle_push (DescryPickle     *self,
                    DescryCursor     *cursor,
                    DescryPickleValue value)
{
  gpointer items = self->stack;
  gboolean ok;

  if (self->n_stack >= self->limit)
    return descry_pickle_refuse (cursor, "too many values on the stack");

  ok = descry_pickle_grow (&items, self->n_stack, &self->max_stack, sizeof *self->stack);
  self->stack = items;
  if (!ok)
    return descry_pickle_refuse (cursor, "out of memory");

  self->stack[self->n_stack++] = value;
  return TRUE;
}

gboolean
descry_pickle_pop (DescryPickle      *self,
                   DescryCursor      *cursor,
                   DescryPickleValue *value)
{
  if (self->n_stack == 0 || self->stack[self->n_stack - 1].kind == PICKLE_MARK)
    return descry_pickle_refuse (cursor, "a value expected on the stack");

  *value = self->stack[--self->n_stack];
  return TRUE;
}

gboolean
descry_pickle_expect (DescryPickle *self,
                      DescryCursor *cursor,
                      guint         kind)
{
  return (self->n_stack > 0 && self->stack[self->n_stack - 1].kind == kind) ||
         descry_pickle_refuse (cursor, kind == PICKLE_DICT ? "a dictionary expected on the stack" : "a list expected on the stack");
}

/* Where the values after the last mark begin; -1 when there is no mark. */
static int
find_mark (DescryPickle *self,
           DescryCursor *cursor)
{
  guint i;

  for (i = self->n_stack; i > 0; i--)
    if (self->stack[i - 1].kind == PICKLE_MARK)
      return (int) i;

  descry_cursor_fail (cursor, "a mark expected on the stack");
  return -1;
}

DescryPickleObject *
descry_pickle_make_object (DescryPickle *self,
                           DescryCursor *cursor)
{
  DescryPickleObject *object;

  if (self->n_objects++ >= self->limit)
    {
      descry_cursor_fail (cursor, "too many objects");
      return NULL;
    }

  object = descry_arena_alloc (self->arena, 1, sizeof *object);
  if (object == NULL)
    {
      descry_cursor_fail (cursor, "out of memory");
      return NULL;
    }

  object->next = self->objects;
  self->objects = object;
  return object;
}

static guint
depth_of (const DescryPickleValue *value)
{
  return value->kind == PICKLE_TUPLE || value->kind == PICKLE_LIST || value->kind == PICKLE_DICT ? value->object->depth + 1 : 0;
}

static gboolean
append (DescryCursor            *cursor,
        DescryPickleObject      *object,
        const DescryPickleValue *value)
{
  gpointer items = object->items;
  gboolean ok;

  /* An object that comes to hold itself grows deeper at each step here, or is met by the limit
   * of the walk in export. */
  object->depth = MAX (object->depth, depth_of (value));
  if (object->depth > MAX_DEPTH)
    return descry_pickle_refuse (cursor, "nested too deeply");

  ok = descry_pickle_grow (&items, object->n, &object->capacity, sizeof *object->items);
  object->items = items;
  if (!ok)
    return descry_pickle_refuse (cursor, "out of memory");

  object->items[object->n++] = *value;
  return TRUE;
}

/* The values from @from on become a tuple. */
static gboolean
make_tuple (DescryPickle *self,
            DescryCursor *cursor,
            guint         from)
{
  DescryPickleValue value = { PICKLE_TUPLE, 0, { 0 } };
  guint i;

  value.object = descry_pickle_make_object (self, cursor);
  if (value.object == NULL)
    return FALSE;

  for (i = from; i < self->n_stack; i++)
    {
      if (self->stack[i].kind == PICKLE_MARK)
        return descry_pickle_refuse (cursor, "a value expected on the stack");
      if (!append (cursor, value.object, self->stack + i))
        return FALSE;
    }

  self->n_stack = from;
  return descry_pickle_push (self, cursor, value);
}

static gboolean
make_marked_tuple (DescryPickle *self,
                   DescryCursor *cursor)
{
  int from = find_mark (self, cursor);
  DescryPickleValue value;

  if (from < 0 || !make_tuple (self, cursor, (guint) from))
    return FALSE;

  value = self->stack[self->n_stack - 1];
  self->n_stack -= 2; /* with the mark */
  return descry_pickle_push (self, cursor, value);
}

/* The values from @from on go into the list or dictionary before them. */
static gboolean
extend (DescryPickle    *self,
        DescryCursor    *cursor,
        guint            from,
        gboolean         marked,
        DescryPickleKind kind)
{
  guint below = from - marked;
  DescryPickleObject *object;
  guint i;

  if (kind == PICKLE_DICT && (self->n_stack - from) % 2 != 0)
    return descry_pickle_refuse (cursor, "keys and values in pairs expected");
  if (below == 0 || self->stack[below - 1].kind != kind)
    return descry_pickle_refuse (cursor, kind == PICKLE_DICT ? "a dictionary expected on the stack" : "a list expected on the stack");

  object = self->stack[below - 1].object;
  for (i = from; i < self->n_stack; i++)
    if (self->stack[i].kind == PICKLE_MARK)
      return descry_pickle_refuse (cursor, "a value expected on the stack");
    else if (!append (cursor, object, self->stack + i))
      return FALSE;

  self->n_stack = below;
  return TRUE;
}

static gboolean
extend_marked (DescryPickle    *self,
               DescryCursor    *cursor,
               DescryPickleKind kind)
{
  int from = find_mark (self, cursor);

  return from >= 0 && extend (self, cursor, (guint) from, TRUE, kind);
}

static gboolean
extend_by (DescryPickle    *self,
           DescryCursor    *cursor,
           guint            n,
           DescryPickleKind kind)
{
  if (self->n_stack < n)
    return descry_pickle_refuse (cursor, "a value expected on the stack");

  return extend (self, cursor, self->n_stack - n, FALSE, kind);
}

/* Torch numbers in the order in which values are met. Python 2 begins at 1 and optimisers leave gaps, but no number is above
 * the bytes that its file has. */
static gboolean
memoise (DescryPickle *self,
         DescryCursor *cursor,
         guint64       index)
{
  gpointer items = self->memo;
  const DescryPickleValue unset = { PICKLE_MARK, 0, { 0 } };
  gboolean ok;

  if (self->n_stack == 0 || self->stack[self->n_stack - 1].kind == PICKLE_MARK)
    return descry_pickle_refuse (cursor, "a value expected on the stack");
  if (index >= self->limit || index > (self->plain ? cursor->size : self->n_memo))
    return descry_pickle_refuse (cursor, "a number of the memo out of order");

  while (index >= self->n_memo)
    {
      ok = descry_pickle_grow (&items, self->n_memo, &self->max_memo, sizeof *self->memo);
      self->memo = items;
      if (!ok)
        return descry_pickle_refuse (cursor, "out of memory");
      self->memo[self->n_memo++] = unset;
    }

  self->memo[index] = self->stack[self->n_stack - 1];
  return TRUE;
}

static gboolean
recall (DescryPickle *self,
        DescryCursor *cursor,
        guint64       index)
{
  if (index >= self->n_memo || self->memo[index].kind == PICKLE_MARK)
    return descry_pickle_refuse (cursor, "a number that is not in the memo");

  return descry_pickle_push (self, cursor, self->memo[index]);
}

const char *
descry_pickle_read_line (DescryCursor *cursor,
                         gsize         longest,
                         gsize        *n)
{
  const guint8 *start = cursor->base + cursor->pos;
  guint64 space = MIN (descry_cursor_remaining (cursor), longest + 1);
  const guint8 *end = space > 0 ? memchr (start, '\n', space) : NULL;

  if (end == NULL)
    {
      descry_cursor_fail (cursor, "a line that does not end");
      return NULL;
    }

  *n = (gsize) (end - start);
  descry_cursor_skip (cursor, *n + 1);
  return (const char *) start;
}

gboolean
descry_pickle_is (const DescryPickleValue *value,
                  const char              *text)
{
  return value->kind == PICKLE_TEXT && value->n == strlen (text) && memcmp (value->text, text, value->n) == 0;
}

static gboolean
push_number (DescryPickle *self,
             DescryCursor *cursor,
             guint         kind,
             gint64        number)
{
  DescryPickleValue value = { kind, 0, { 0 } };

  value.i = number;
  return descry_pickle_push (self, cursor, value);
}

static gboolean
push_long (DescryPickle *self,
           DescryCursor *cursor)
{
  guint n = descry_cursor_u8 (cursor);
  guint64 bits = 0;
  guint i;

  if (n > 8)
    return descry_pickle_refuse (cursor, "a number of more than 8 bytes");

  for (i = 0; i < n; i++)
    bits |= (guint64) descry_cursor_u8 (cursor) << (8 * i);
  if (n > 0 && n < 8 && (bits >> (8 * n - 1) & 1))
    bits |= G_MAXUINT64 << (8 * n); /* the sign */

  return push_number (self, cursor, PICKLE_INT, (gint64) bits);
}

static gboolean
push_float (DescryPickle *self,
            DescryCursor *cursor)
{
  DescryPickleValue value = { PICKLE_FLOAT, 0, { 0 } };
  guint64 bits = GUINT64_SWAP_LE_BE (descry_cursor_u64 (cursor));

  memcpy (&value.f, &bits, sizeof bits);
  return descry_pickle_push (self, cursor, value);
}

static gboolean
push_text (DescryPickle *self,
           DescryCursor *cursor,
           guint32       n)
{
  DescryPickleValue value = { PICKLE_TEXT, n, { 0 } };

  value.text = (const char *) descry_cursor_view (cursor, value.n);
  if (value.text == NULL)
    return FALSE;
  if (!g_utf8_validate_len (value.text, value.n, NULL))
    return descry_pickle_refuse (cursor, "text that is not UTF-8");

  return descry_pickle_push (self, cursor, value);
}

static gboolean
push_object (DescryPickle    *self,
             DescryCursor    *cursor,
             DescryPickleKind kind)
{
  DescryPickleValue value = { kind, 0, { 0 } };

  value.object = descry_pickle_make_object (self, cursor);
  return value.object != NULL && descry_pickle_push (self, cursor, value);
}

/* --- what protocol 0 and Python 2 write ------------------------------------------------------------------- */

/* A whole number in decimal digits, alone in its line but for @suffix (0: none). */
static gboolean
read_number (DescryCursor *cursor,
             char          suffix,
             gint64       *number)
{
  gsize n;
  const char *line = descry_pickle_read_line (cursor, LONGEST_NAME, &n);
  char digits[32];
  char *end;

  if (line == NULL)
    return FALSE;
  if (suffix != '\0' && n > 0 && line[n - 1] == suffix)
    n--;
  if (n == 0 || n >= sizeof digits || !(g_ascii_isdigit (*line) || (*line == '-' && n > 1)))
    return descry_pickle_refuse (cursor, "a whole number expected");

  memcpy (digits, line, n);
  digits[n] = '\0';
  errno = 0;
  *number = g_ascii_strtoll (digits, &end, 10);
  return (end == digits + n && errno == 0) || descry_pickle_refuse (cursor, "a whole number of at most 64 bits expected");
}

/* Protocols 0 and 1 write truth as the numbers 00 and 01. */
static gboolean
push_int_line (DescryPickle *self,
               DescryCursor *cursor)
{
  const guint8 *start = cursor->base + cursor->pos;
  gint64 number;

  if (!read_number (cursor, '\0', &number))
    return FALSE;
  if (start[0] == '0' && (start[1] == '0' || start[1] == '1') && start[2] == '\n')
    return push_number (self, cursor, PICKLE_BOOL, start[1] == '1');
  return push_number (self, cursor, PICKLE_INT, number);
}

static gboolean
push_long_line (DescryPickle *self,
                DescryCursor *cursor)
{
  gint64 number;

  return read_number (cursor, 'L', &number) && push_number (self, cursor, PICKLE_INT, number);
}

static gboolean
push_float_line (DescryPickle *self,
                 DescryCursor *cursor)
{
  DescryPickleValue value = { PICKLE_FLOAT, 0, { 0 } };
  gsize n;
  const char *line = descry_pickle_read_line (cursor, LONGEST_NAME, &n);
  g_autofree char *digits = line != NULL ? g_strndup (line, n) : NULL;
  char *end;

  if (line == NULL)
    return FALSE;
  value.f = g_ascii_strtod (digits, &end);
  if (n == 0 || end != digits + n || g_ascii_isspace (*digits))
    return descry_pickle_refuse (cursor, "a number expected");
  return descry_pickle_push (self, cursor, value);
}

/* Bytes of Python 2: UTF-8, or else taken for Latin-1. */
static gboolean
push_bytes (DescryPickle *self,
            DescryCursor *cursor,
            const guint8 *bytes,
            gsize         n)
{
  DescryPickleValue value = { PICKLE_TEXT, (guint32) n, { 0 } };
  char *text;
  gsize i;

  if (bytes == NULL)
    return FALSE;
  value.text = (const char *) bytes;
  if (g_utf8_validate_len (value.text, n, NULL))
    return descry_pickle_push (self, cursor, value);

  text = n <= G_MAXUINT32 / 2 ? descry_arena_text (self->arena, 2 * n) : NULL;
  if (text == NULL)
    return descry_pickle_refuse (cursor, "out of memory");
  value.text = text;
  for (i = 0; i < n; i++)
    text += g_unichar_to_utf8 (bytes[i], text);
  value.n = (guint32) (text - value.text);
  return descry_pickle_push (self, cursor, value);
}

/* @n digits of base 16; -1: others. */
static gint64
read_hex (const char *text,
          const char *end,
          guint       n)
{
  gint64 number = 0;

  if (end - text < n)
    return -1;
  for (; n > 0; n--, text++)
    {
      if (!g_ascii_isxdigit (*text))
        return -1;
      number = number * 16 + g_ascii_xdigit_value (*text);
    }
  return number;
}

/* A line in quotes with the escapes of Python's repr(). */
static gboolean
push_string_line (DescryPickle *self,
                  DescryCursor *cursor)
{
  static const char escapes[] = "\\'\"nrtabfv", meant[] = "\\'\"\n\r\t\a\b\f\v";
  gsize n, length = 0;
  const char *line = descry_pickle_read_line (cursor, LONGEST_LINE, &n), *at, *end, *found;
  char *bytes;

  if (line == NULL)
    return FALSE;
  if (n < 2 || (*line != '\'' && *line != '"') || line[n - 1] != *line)
    return descry_pickle_refuse (cursor, "a text in quotes expected");
  end = line + n - 1;
  if (memchr (line, '\\', n) == NULL)
    return push_bytes (self, cursor, (const guint8 *) line + 1, n - 2);

  bytes = descry_arena_text (self->arena, n);
  if (bytes == NULL)
    return descry_pickle_refuse (cursor, "out of memory");
  for (at = line + 1; at < end; at++)
    {
      gint64 code;

      if (*at != '\\')
        bytes[length++] = *at;
      else if (++at < end && *at != '\0' && (found = strchr (escapes, *at)) != NULL)
        bytes[length++] = meant[found - escapes];
      else if (at < end && *at == 'x' && (code = read_hex (at + 1, end, 2)) >= 0)
        {
          bytes[length++] = (char) code;
          at += 2;
        }
      else
        return descry_pickle_refuse (cursor, "an escape that Python does not write");
    }

  return push_bytes (self, cursor, (const guint8 *) bytes, length);
}

/* A line of Latin-1 with \\uXXXX and \\UXXXXXXXX; narrow builds of Python 2 wrote pairs of surrogates. */
static gboolean
push_unicode_line (DescryPickle *self,
                   DescryCursor *cursor)
{
  DescryPickleValue value = { PICKLE_TEXT, 0, { 0 } };
  gsize n;
  const char *line = descry_pickle_read_line (cursor, LONGEST_LINE, &n), *at, *end;
  char *text;

  if (line == NULL)
    return FALSE;
  text = descry_arena_text (self->arena, 2 * n + 1);
  if (text == NULL)
    return descry_pickle_refuse (cursor, "out of memory");
  value.text = text;
  for (at = line, end = line + n; at < end; at++)
    {
      gint64 code = (guint8) *at, low;

      if (*at == '\\' && at + 1 < end && (at[1] == 'u' || at[1] == 'U'))
        {
          const guint digits = at[1] == 'u' ? 4 : 8;

          code = read_hex (at + 2, end, digits);
          at += 1 + digits;
          if (code >= 0xd800 && code < 0xdc00 && end - at > 2 && at[1] == '\\' && at[2] == 'u' &&
              (low = read_hex (at + 3, end, 4)) >= 0xdc00 && low < 0xe000)
            {
              code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
              at += 6;
            }
          if (code < 0 || code > 0x10ffff || !g_unichar_validate ((gunichar) code))
            return descry_pickle_refuse (cursor, "an escape that is no character");
        }
      text += g_unichar_to_utf8 ((gunichar) code, text);
    }
  value.n = (guint32) (text - value.text);
  return descry_pickle_push (self, cursor, value);
}

/* The values from the last mark on become a list or dictionary. */
static gboolean
make_marked (DescryPickle *self,
             DescryCursor *cursor,
             guint         kind)
{
  DescryPickleValue value = { kind, 0, { 0 } };
  const int from = find_mark (self, cursor);

  if (from < 0 || (value.object = descry_pickle_make_object (self, cursor)) == NULL)
    return FALSE;
  /* In place of the mark, so that the values lie behind what they go into. */
  self->stack[from - 1] = value;
  return extend (self, cursor, (guint) from, FALSE, kind);
}

/* What only plain pickles have. */
static gboolean
step_plain (DescryPickle *self,
            DescryCursor *cursor,
            guint         opcode,
            GError      **error)
{
  gint64 number;
  guint32 n;

  switch (opcode)
    {
    case OP_INT:
      return push_int_line (self, cursor);
    case OP_LONG:
      return push_long_line (self, cursor);
    case OP_FLOAT:
      return push_float_line (self, cursor);
    case OP_STRING:
      return push_string_line (self, cursor);
    case OP_UNICODE:
      return push_unicode_line (self, cursor);
    case OP_BINSTRING:
      n = descry_cursor_u32 (cursor);
      return push_bytes (self, cursor, descry_cursor_view (cursor, n), n);
    case OP_SHORT_BINSTRING:
      n = descry_cursor_u8 (cursor);
      return push_bytes (self, cursor, descry_cursor_view (cursor, n), n);
    case OP_SHORT_BINUNICODE:
      return push_text (self, cursor, descry_cursor_u8 (cursor));
    case OP_LIST:
      return make_marked (self, cursor, PICKLE_LIST);
    case OP_DICT:
      return make_marked (self, cursor, PICKLE_DICT);
    case OP_PUT:
      return read_number (cursor, '\0', &number) && memoise (self, cursor, (guint64) number);
    case OP_GET:
      return read_number (cursor, '\0', &number) && recall (self, cursor, (guint64) number);
    case OP_MEMOIZE:
      return memoise (self, cursor, self->n_memo);
    case OP_FRAME:
      return descry_cursor_u64 (cursor) <= descry_cursor_remaining (cursor) || descry_pickle_refuse (cursor, "a frame that leaves the file");
    default:
      return descry_pickle_refuse_byte (self, cursor, opcode, error);
    }
}

gboolean
descry_pickle_refuse_byte (DescryPickle *self,
                           DescryCursor *cursor,
                           guint         opcode,
                           GError      **error)
{
  g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: byte %" G_GUINT64_FORMAT ": opcode 0x%02x is refused: %s do not use it",
               self->path, cursor->pos - 1, opcode, self->what);
  return FALSE;
}

/* One opcode; FALSE ends the run, with a problem at the cursor or with @error set. */
static gboolean
step (DescryPickle *self,
      DescryCursor *cursor,
      guint         opcode,
      GError      **error)
{
  DescryPickleValue mark = { PICKLE_MARK, 0, { 0 } };
  guint protocol;

  switch (opcode)
    {
    case OP_PROTO:
      protocol = descry_cursor_u8 (cursor);
      if (self->plain)
        return protocol <= 4 || descry_pickle_refuse (cursor, "pickle protocol 0 to 4 expected");
      return protocol == 2 || descry_pickle_refuse (cursor, "pickle protocol 2 expected");
    case OP_MARK:
      return descry_pickle_push (self, cursor, mark);
    case OP_NONE:
      return descry_pickle_push (self, cursor, none);
    case OP_NEWTRUE:
    case OP_NEWFALSE:
      return push_number (self, cursor, PICKLE_BOOL, opcode == OP_NEWTRUE);
    case OP_BININT:
      return push_number (self, cursor, PICKLE_INT, (gint32) descry_cursor_u32 (cursor));
    case OP_BININT1:
      return push_number (self, cursor, PICKLE_INT, descry_cursor_u8 (cursor));
    case OP_BININT2:
      return push_number (self, cursor, PICKLE_INT, descry_cursor_u16 (cursor));
    case OP_LONG1:
      return push_long (self, cursor);
    case OP_BINFLOAT:
      return push_float (self, cursor);
    case OP_BINUNICODE:
      return push_text (self, cursor, descry_cursor_u32 (cursor));
    case OP_EMPTY_TUPLE:
      return push_object (self, cursor, PICKLE_TUPLE);
    case OP_EMPTY_LIST:
      return push_object (self, cursor, PICKLE_LIST);
    case OP_EMPTY_DICT:
      return push_object (self, cursor, PICKLE_DICT);
    case OP_TUPLE:
      return make_marked_tuple (self, cursor);
    case OP_TUPLE1:
    case OP_TUPLE2:
    case OP_TUPLE3:
      if (self->n_stack < opcode - OP_TUPLE1 + 1)
        return descry_pickle_refuse (cursor, "a value expected on the stack");
      return make_tuple (self, cursor, self->n_stack - (opcode - OP_TUPLE1 + 1));
    case OP_APPEND:
      return extend_by (self, cursor, 1, PICKLE_LIST);
    case OP_APPENDS:
      return extend_marked (self, cursor, PICKLE_LIST);
    case OP_SETITEM:
      return extend_by (self, cursor, 2, PICKLE_DICT);
    case OP_SETITEMS:
      return extend_marked (self, cursor, PICKLE_DICT);
    case OP_BINPUT:
      return memoise (self, cursor, descry_cursor_u8 (cursor));
    case OP_LONG_BINPUT:
      return memoise (self, cursor, descry_cursor_u32 (cursor));
    case OP_BINGET:
      return recall (self, cursor, descry_cursor_u8 (cursor));
    case OP_LONG_BINGET:
      return recall (self, cursor, descry_cursor_u32 (cursor));
    default:
      if (self->plain)
        return step_plain (self, cursor, opcode, error);
      return self->read != NULL ? self->read (self, cursor, opcode, error) : descry_pickle_refuse_byte (self, cursor, opcode, error);
    }
}

gboolean
descry_pickle_run (DescryPickle      *self,
                   DescryCursor      *cursor,
                   DescryPickleValue *result,
                   GError           **error)
{
  self->n_stack = 0;
  self->n_memo = 0;

  for (;;)
    {
      guint8 opcode = descry_cursor_u8 (cursor);

      if (!descry_cursor_check (cursor, self->path, error))
        return FALSE;

      self->opcodes[opcode]++;
      if (opcode == OP_STOP)
        break;
      if (!step (self, cursor, opcode, error))
        {
          if (error == NULL || *error == NULL)
            descry_cursor_check (cursor, self->path, error);
          return FALSE;
        }
    }

  if (self->n_stack != 1 || self->stack[0].kind == PICKLE_MARK)
    {
      g_set_error (error, DESCRY_ERROR, DESCRY_ERROR_MODEL_BAD, "%s: byte %" G_GUINT64_FORMAT ": one value expected at the end of a pickle",
                   self->path, cursor->pos);
      return FALSE;
    }

  *result = self->stack[0];
  return TRUE;
}

void
descry_pickle_clear (DescryPickle *self)
{
  DescryPickleObject *object;

  for (object = self->objects; object != NULL; object = object->next)
    descry_free (object->items);

  descry_free (self->stack);
  descry_free (self->memo);
  memset (self, 0, sizeof *self);
}
