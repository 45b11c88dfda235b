/*
 * Processes of the tenant: how one is started and locked down, and how all of them are ended.
 * It knows descriptors and pids, not jobs or frames.
 */
#ifndef CHILD_H
#define CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct child_limits {
	long cpu_seconds;
	long long file_bytes; /* 0: the container's own */
};

/* Hide this process from its own uid, and become the parent of every orphan. */
void child_hide_supervisor(void);

/* Start `argv` with these three descriptors and nothing else open. */
pid_t child_start(char *const argv[], int in, int out, int err, struct child_limits limits);

/*
 * Start a child that is locked down as all of them will be, and let it prove that it can signal neither the supervisor
 * nor everybody. Its /proc/<pid>/status, which the caller owns. Gives up where a proof fails.
 */
char *child_prove(void);

/* SIGKILL to every process of the tenant, at once, and wait until none is left. */
void child_end_all(void);

/* The text of a file under /proc. Gives up where it cannot be read. The caller owns it. */
char *read_text(const char *path);

#endif
