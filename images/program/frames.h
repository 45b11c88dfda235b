/*
 * The codec of the runner protocol, runner's side: docs/protocol.md. It knows bytes and JSON, not what a frame means.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <jansson.h>
#include <stddef.h>

/* Take what the host has written; the next whole frame, NULL while there is none. The caller owns it. */
void frames_read_host(void);
json_t *frames_next(void);

/* Write one frame, or its parts: all of it, whatever the stream takes at once. `frames_send` owns `fields`. */
void frames_send(json_t *fields);
void frames_begin(size_t length);
void frames_write(const void *data, size_t length);

#endif
