
/*
 * Loaded into a process (LD_PRELOAD): while the file that SCARCE_MEMORY names
 * is there, malloc(), calloc() and realloc() have no memory for so many bytes
 * as it says, "MIN MAX".
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* The C library's own. */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);


static char  path[1024];


static void __attribute__((constructor))
begin(void)
{
    const char  *name;

    name = getenv("SCARCE_MEMORY");

    if (name) {
        snprintf(path, sizeof(path), "%s", name);
    }
}


static int
scarce(size_t size)
{
    int      fd, error;
    char     text[64];
    size_t   min, max;
    ssize_t  n;

    if (path[0] == '\0') {
        return 0;
    }

    error = errno;
    fd = open(path, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        errno = error;
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    errno = error;

    if (sscanf(text, "%zu %zu", &min, &max) != 2 || size < min || size > max) {
        return 0;
    }

    errno = ENOMEM;
    return 1;
}


void *
malloc(size_t size)
{
    return scarce(size) ? NULL : __libc_malloc(size);
}


void *
calloc(size_t n, size_t size)
{
    return scarce(n * size) ? NULL : __libc_calloc(n, size);
}


void *
realloc(void *p, size_t size)
{
    return scarce(size) ? NULL : __libc_realloc(p, size);
}
