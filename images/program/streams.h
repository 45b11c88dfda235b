/*
 * The tenant's stdout and stderr on their way to the host: the head passes, of a flood the tail is kept.
 * The rule is docs/protocol.md, "Streams and floods". Memory is bounded whatever comes. It knows no descriptors.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base.h"

#define STREAM_READ_BYTES (64 * KIB)
#define STREAM_TAIL_BYTES (64 * KIB)

/* INVARIANT: the `bytes` and `skipped` of all frames, in order, add up to what was fed, but for what is held. */
struct stream {
	const char *name;
	size_t room; /* what may still pass at once */
	size_t skipped;
	size_t held_length;
	/* Of a flood in small pieces the surplus is dropped once in a while, not with each piece. */
	unsigned char held[4 * STREAM_TAIL_BYTES + STREAM_READ_BYTES + 8];
};

void stream_open(struct stream *stream, const char *name, size_t head_bytes);

/* Take at most STREAM_READ_BYTES; what may pass at once is sent. */
void stream_feed(struct stream *stream, const char *job, const unsigned char *data, size_t length);

bool stream_has_tail(const struct stream *stream);

/* Send what is held; with `final` an incomplete character as well. */
void stream_release(struct stream *stream, const char *job, bool final);

/* How many bytes of `text` are whole UTF-8 characters from its start on. */
size_t utf8_whole(const unsigned char *text, size_t length);

#endif
