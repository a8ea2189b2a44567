/* main.c - descry-decode: a picture from descriptor 0 into the memory of descriptor 3
 *
 * Assumes that the picture takes over the process: it can then compute and exit, no more. No
 * file, no socket and no program can be opened, memory, time and output are bounded.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include "compute/image/decode-protocol.h"
#include "compute/image/decode/picture.h"

#define MAX_PIXELS 200000000ull
#define MAX_FILE   (512ull << 20)
#define MAX_MEMORY (4ull << 30) /* the file, 600 MB of picture, and what the widest decoder takes */
#define MAX_TIME   50 /* seconds of processor */

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OWN_MEMORY /* a sanitizer takes address space and system calls of its own */
#endif

#ifdef __SANITIZE_ADDRESS__
/* The search for leaks at the end needs what the limits forbid. */
const char *__asan_default_options (void);

const char *
__asan_default_options (void)
{
  return "detect_leaks=0";
}
#endif

static int
give_up (const char *reason)
{
  /* A message that is cut short is still one message. */
  if (write (STDERR_FILENO, reason, strlen (reason)) < 0)
    return 2;
  return 1;
}

static gboolean
set_limit (int     which,
           guint64 value)
{
  struct rlimit limit = { (rlim_t) value, (rlim_t) value };

  return setrlimit ((__rlimit_resource_t) which, &limit) == 0;
}

/* Only what memory, reading, placing the picture and leaving need; every other call fails. What
 * a sanitizer needs is more, so its builds do without. */
static gboolean
forbid_calls (void)
{
#if defined(OWN_ARCHITECTURE) && defined(OWN_MEMORY)
#define ALLOW(name) BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
  struct sock_filter rules[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, arch)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCHITECTURE, 1, 0),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    ALLOW (read),
    ALLOW (write),
    ALLOW (close),
    ALLOW (fstat),
#ifdef __NR_newfstatat
    ALLOW (newfstatat),
#endif
    ALLOW (lseek),
    ALLOW (ftruncate),
    ALLOW (fallocate),
    ALLOW (mmap),
    ALLOW (munmap),
    ALLOW (mremap),
    ALLOW (mprotect),
    ALLOW (madvise),
    ALLOW (brk),
    ALLOW (futex),
    ALLOW (getrandom),
    ALLOW (clock_gettime),
    ALLOW (sched_yield),
    ALLOW (rt_sigprocmask),
    ALLOW (rt_sigreturn),
    ALLOW (getpid),
    ALLOW (gettid),
    ALLOW (tgkill),
    ALLOW (exit),
    ALLOW (exit_group),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
  };
  struct sock_fprog program = { G_N_ELEMENTS (rules), rules };
#undef ALLOW

  /* A kernel without filters still has the limits. */
  return prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 || errno == EINVAL || errno == ENOSYS;
#else
  return TRUE;
#endif
}

static gboolean
lock_down (void)
{
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl (PR_SET_DUMPABLE, 0) != 0)
    return FALSE;
#ifdef OWN_MEMORY
  if (!set_limit (RLIMIT_AS, MAX_MEMORY))
    return FALSE;
#endif
  return set_limit (RLIMIT_CPU, MAX_TIME) && set_limit (RLIMIT_NOFILE, DESCRY_DECODE_FD + 1) && set_limit (RLIMIT_CORE, 0) &&
         set_limit (RLIMIT_FSIZE, MAX_PIXELS * 3 + sizeof (DescryDecodeHeader)) && forbid_calls ();
}

static guint8 *
make_room (gpointer data,
           guint    width,
           guint    height)
{
  gsize bytes = (gsize) width * height * 3 + sizeof (DescryDecodeHeader);
  void *mapping;

  if (ftruncate (DESCRY_DECODE_FD, (off_t) bytes) != 0)
    return NULL;
  mapping = mmap (NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, DESCRY_DECODE_FD, 0);
  return mapping == MAP_FAILED ? NULL : (guint8 *) mapping + sizeof (DescryDecodeHeader);
}

static guint8 *
read_file (gsize *size)
{
  struct stat status;
  guint8 *data;
  gsize room, filled = 0;

  if (fstat (STDIN_FILENO, &status) != 0 || status.st_size < 0 || (guint64) status.st_size > MAX_FILE)
    return NULL;

  room = (gsize) status.st_size;
  data = malloc (room + 1);
  while (data != NULL && filled < room)
    {
      gssize n = read (STDIN_FILENO, data + filled, room - filled);

      if (n == 0) /* it shrank; the reader will say that it ends early */
        break;
      if (n < 0 && errno != EINTR)
        {
          free (data);
          return NULL;
        }
      if (n > 0)
        filled += (gsize) n;
    }

  *size = filled;
  return data;
}

int
main (void)
{
  DescryPicture picture = { .room = make_room, .max_pixels = MAX_PIXELS };
  DescryDecodeHeader header = { .magic = DESCRY_DECODE_MAGIC };
  guint8 *data;
  gsize size = 0;

  if (!lock_down ())
    return give_up ("the decoder cannot limit itself");

  data = read_file (&size);
  if (data == NULL)
    return give_up ("the file cannot be read, or is larger than 512 MiB");
  if (!descry_picture_read (&picture, data, size))
    return give_up (picture.message);

  header.width = picture.width;
  header.height = picture.height;
  header.bytes = (guint64) picture.width * picture.height * 3;
  memcpy (picture.pixels - sizeof header, &header, sizeof header);
  return 0;
}
