/*
 * What every file of the runner for programs shares: its exit codes, its sizes, and how it gives up.
 */
#ifndef BASE_H
#define BASE_H

#include <stddef.h>

/* docs/protocol.md: 70 the host broke the protocol, 71 the runner could not do its own part. */
enum { EXIT_GONE = 0, EXIT_PROTOCOL = 70, EXIT_BROKEN = 71 };

enum { HOST_IN = 0, HOST_OUT = 1 };

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define WORK "/work"
#define PROGRAM "/program" /* where a compiler leaves what is run; mounted for languages that are compiled only */

/* Say why on stderr, which is the operator's, end whatever runs, and leave. */
void give_up(int code, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

#endif
