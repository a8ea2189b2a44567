/* hostile-decoder.c - plays a decoder that a picture has taken over; its input says how
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compute/image/decode-protocol.h"

static void
leave (guint   width,
       guint   height,
       guint64 said,
       gsize   bytes)
{
  DescryDecodeHeader header = { .magic = DESCRY_DECODE_MAGIC, .width = width, .height = height, .bytes = said };
  guint8 *room;

  if (ftruncate (DESCRY_DECODE_FD, (off_t) (sizeof header + bytes)) != 0)
    exit (9);
  if (write (DESCRY_DECODE_FD, &header, sizeof header) != (gssize) sizeof header)
    exit (9);
  room = malloc (bytes + 1);
  memset (room, 0x5a, bytes);
  if (write (DESCRY_DECODE_FD, room, bytes) != (gssize) bytes)
    exit (9);
  free (room);
}

int
main (void)
{
  char how[64] = { 0 };

  if (read (0, how, sizeof how - 1) < 0)
    return 9;

  if (strcmp (how, "good") == 0)
    leave (4, 3, 36, 36);
  else if (strcmp (how, "nothing") == 0)
    ;
  else if (strcmp (how, "silent") == 0)
    return 7;
  else if (strcmp (how, "crash") == 0)
    {
      signal (SIGSEGV, SIG_DFL);
      raise (SIGSEGV);
    }
  else if (strcmp (how, "midway") == 0)
    {
      leave (4, 3, 36, 10);
      raise (SIGKILL);
    }
  else if (strcmp (how, "short") == 0)
    leave (4, 3, 36, 35);
  else if (strcmp (how, "long") == 0)
    leave (4, 3, 36, 37);
  else if (strcmp (how, "other-bytes") == 0)
    leave (4, 3, 35, 36);
  else if (strcmp (how, "zero") == 0)
    leave (0, 3, 0, 0);
  else if (strcmp (how, "huge") == 0)
    leave (0xffffffff, 0xffffffff, 36, 36);
  else if (strcmp (how, "wide") == 0)
    leave (65536, 1, 65536 * 3, 65536 * 3);
  else if (strcmp (how, "header") == 0)
    {
      if (write (DESCRY_DECODE_FD, DESCRY_DECODE_MAGIC, 8) != 8)
        return 9;
    }
  else if (strcmp (how, "magic") == 0)
    {
      leave (4, 3, 36, 36);
      if (pwrite (DESCRY_DECODE_FD, "DESCRY9\n", 8, 0) != 8)
        return 9;
    }
  else if (strcmp (how, "hang") == 0)
    pause ();
  else if (strcmp (how, "hang-closed") == 0)
    {
      close (2);
      pause ();
    }
  else if (strcmp (how, "chatter") == 0)
    {
      char noise[70000];

      /* More than a pipe holds, with control characters and no UTF-8 */
      memset (noise, 'x', sizeof noise);
      memcpy (noise, "first line\nsecond", 17);
      noise[300] = '\xff';
      if (write (2, noise, sizeof noise) < 0)
        return 9;
      return 1;
    }
  else if (strcmp (how, "bell") == 0)
    {
      if (write (2, "bad \xc3\xa9 thing\a\x1b[31m", 16) < 0)
        return 9;
      return 1;
    }
  else if (strcmp (how, "keeper") == 0)
    {
      /* A grandchild keeps a writable mapping and would change the pixels after the check. */
      leave (4, 3, 36, 36);
      if (fork () == 0)
        {
          volatile guint8 *map = mmap (NULL, 100, PROT_READ | PROT_WRITE, MAP_SHARED, DESCRY_DECODE_FD, 0);

          close (2);
          close (0);
          map[70] = 1;
          sleep (3);
          _exit (0);
        }
      usleep (200000);
    }
  else
    return 8;

  return 0;
}
