/*
 * A disk that hangs or fails on request and a clock that is wrong, for the one process that preloads
 * this.
 *
 * TENURE_TEST_CLOCK says by how many seconds the wall clock is ahead.
 * With FOLDER in TENURE_TEST_DISK, the file FOLDER/sync or FOLDER/read says what happens to an fsync, or to opening a checkpoint for
 * reading: without a file it works; "fail": EIO; "hang": it waits until the file says otherwise.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int open_call(const char *, int, ...);
typedef int sync_call(int);
typedef int clock_call(clockid_t, struct timespec *);

static open_call *real_open(void) { return (open_call *)dlsym(RTLD_NEXT, "open64"); }

/* 0 if the call may go on, else it fails. */
static int asked_to_fail(const char *what) {
    const char *folder = getenv("TENURE_TEST_DISK");
    char path[4096], order[8];
    if (folder == NULL || snprintf(path, sizeof path, "%s/%s", folder, what) >= (int)sizeof path)
        return 0;
    for (;;) {
        int file = real_open()(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return 0;
        ssize_t length = read(file, order, sizeof order);
        close(file);
        if (length == 4 && memcmp(order, "fail", 4) == 0)
            return 1;
        if (length != 4 || memcmp(order, "hang", 4) != 0)
            return 0;
        usleep(10000);
    }
}

static int sync_or_not(int file, const char *name) {
    if (asked_to_fail("sync")) {
        errno = EIO;
        return -1;
    }
    return ((sync_call *)dlsym(RTLD_NEXT, name))(file);
}

int fsync(int file) { return sync_or_not(file, "fsync"); }
int fdatasync(int file) { return sync_or_not(file, "fdatasync"); }

static int open_or_not(const char *path, int flags, mode_t mode) {
    size_t length = strlen(path);
    int checkpoint = length > 5 && strcmp(path + length - 5, ".ckpt") == 0;
    if (checkpoint && (flags & O_ACCMODE) == O_RDONLY && asked_to_fail("read")) {
        errno = EIO;
        return -1;
    }
    return real_open()(path, flags, mode);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        return open_or_not(path, flags, mode);                                                     \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *now) {
    static clock_call *real;
    const char *ahead = getenv("TENURE_TEST_CLOCK");
    if (real == NULL)
        real = (clock_call *)dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && ahead != NULL)
        now->tv_sec += atol(ahead);
    return result;
}
