/* A file system as others have it, for LD_PRELOAD.
 *
 * FLOCK_ERRNO: flock fails with that number.
 * READ_ONLY: below this folder nothing can be made, written, renamed or removed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int refused(const char *path)
{
    const char *folder = getenv("READ_ONLY");
    if (!folder || strncmp(path, folder, strlen(folder)) != 0)
        return 0;
    errno = EROFS;
    return 1;
}

int flock(int fd, int operation)
{
    const char *number = getenv("FLOCK_ERRNO");
    if (number) {
        errno = atoi(number);
        return -1;
    }
    int (*next)(int, int) = dlsym(RTLD_NEXT, "flock");
    return next(fd, operation);
}

#define OPEN(name)                                                                \
    int name(const char *path, int flags, ...)                                    \
    {                                                                             \
        va_list rest;                                                             \
        va_start(rest, flags);                                                    \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;   \
        va_end(rest);                                                             \
        if (((flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT) && refused(path)) \
            return -1;                                                            \
        int (*next)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);            \
        return next(path, flags, mode);                                           \
    }
OPEN(open)
OPEN(open64)

#define ON_PATH(name, parameters, arguments)                  \
    int name parameters                                       \
    {                                                         \
        if (refused(path))                                    \
            return -1;                                        \
        int(*next) parameters = dlsym(RTLD_NEXT, #name);      \
        return next arguments;                                \
    }
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rmdir, (const char *path), (path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(rename, (const char *from, const char *path), (from, path))
ON_PATH(symlink, (const char *to, const char *path), (to, path))
