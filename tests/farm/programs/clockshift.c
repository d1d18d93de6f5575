/* A wall clock that a test can set, for one process and its children, while the monotonic clocks go on as they do.
 *
 *     gcc -shared -fPIC -o clockshift.so clockshift.c -ldl
 *     LD_PRELOAD=clockshift.so CLOCKSHIFT=/path/of/file program
 *
 * The file holds whole seconds, which are added to every reading of the wall clock; without it nothing is added.
 * libfaketime moves the monotonic clocks too, so it cannot show what a step of the wall clock does (PROMISES 7).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static time_t shift_seconds(void)
{
    const char *path = getenv("CLOCKSHIFT");
    FILE *file = path ? fopen(path, "re") : NULL;
    long seconds = 0;

    if (!file)
        return 0;
    if (fscanf(file, "%ld", &seconds) != 1)
        seconds = 0;
    fclose(file);
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += shift_seconds();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec moment;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &moment);
    now->tv_sec = moment.tv_sec;
    now->tv_usec = moment.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec moment;

    clock_gettime(CLOCK_REALTIME, &moment);
    if (place)
        *place = moment.tv_sec;
    return moment.tv_sec;
}
