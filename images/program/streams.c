#include "streams.h"

#include <jansson.h>
#include <string.h>

#include "frames.h"

static const char REPLACEMENT[] = "\xEF\xBF\xBD";

/* The text of one frame: every byte may become a replacement of three. */
static char text[3 * (STREAM_TAIL_BYTES + STREAM_READ_BYTES + 8)];

/*
 * The character at `at`: its length; where it is none, minus the length of what cannot be one (Unicode's "maximal
 * subpart"); 0 where the text ends inside it.
 */
static int character(const unsigned char *at, size_t left)
{
	unsigned char low = 0x80, high = 0xBF;
	int length, n;

	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xC2 && at[0] <= 0xDF)
		length = 2;
	else if (at[0] >= 0xE0 && at[0] <= 0xEF)
		length = 3;
	else if (at[0] >= 0xF0 && at[0] <= 0xF4)
		length = 4;
	else
		return -1;
	if (at[0] == 0xE0)
		low = 0xA0;
	if (at[0] == 0xED)
		high = 0x9F; /* no surrogates */
	if (at[0] == 0xF0)
		low = 0x90;
	if (at[0] == 0xF4)
		high = 0x8F;
	for (n = 1; n < length; n++) {
		if ((size_t)n == left)
			return 0;
		if (at[n] < low || at[n] > high)
			return -n;
		low = 0x80;
		high = 0xBF;
	}
	return length;
}

size_t utf8_whole(const unsigned char *from, size_t length)
{
	size_t at = 0;

	while (at < length) {
		int step = character(from + at, length - at);

		if (step <= 0)
			break;
		at += (size_t)step;
	}
	return at;
}

/* Decode `held` into `text`; how many bytes of it were used, and in `*made` how long the text is. */
static size_t decode(const unsigned char *held, size_t length, bool final, size_t *made)
{
	size_t at = 0;

	*made = 0;
	while (at < length) {
		int step = character(held + at, length - at);

		if (step > 0) {
			memcpy(text + *made, held + at, (size_t)step);
			*made += (size_t)step;
			at += (size_t)step;
			continue;
		}
		if (step == 0 && !final)
			break;
		memcpy(text + *made, REPLACEMENT, 3);
		*made += 3;
		at += step == 0 ? length - at : (size_t)-step;
	}
	return at;
}

void stream_open(struct stream *stream, const char *name, size_t head_bytes)
{
	stream->name = name;
	stream->room = head_bytes;
	stream->skipped = stream->held_length = 0;
}

bool stream_has_tail(const struct stream *stream)
{
	return stream->room == 0 && (stream->held_length > 0 || stream->skipped > 0);
}

static void drop(struct stream *stream, size_t count)
{
	stream->held_length -= count;
	memmove(stream->held, stream->held + count, stream->held_length);
}

static void keep_tail(struct stream *stream)
{
	size_t surplus;

	if (stream->room > 0 || stream->held_length <= STREAM_TAIL_BYTES)
		return;
	surplus = stream->held_length - STREAM_TAIL_BYTES;
	/* A cut inside a character leaves up to three bytes that stand for nothing. */
	while (surplus < stream->held_length && (stream->held[surplus] & 0xC0) == 0x80 &&
	       surplus < stream->held_length - STREAM_TAIL_BYTES + 3)
		surplus++;
	stream->skipped += surplus;
	drop(stream, surplus);
}

static void send_held(struct stream *stream, const char *job, bool final)
{
	size_t made, used = decode(stream->held, stream->held_length, final, &made);

	if (used == 0 && !(final && stream->skipped > 0))
		return;
	frames_send(json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "type", "stream", "job", job, "name", stream->name,
			      "text", json_stringn_nocheck(text, made), "bytes", (json_int_t)used, "skipped",
			      (json_int_t)stream->skipped));
	drop(stream, used);
	stream->skipped = 0;
}

void stream_release(struct stream *stream, const char *job, bool final)
{
	keep_tail(stream);
	send_held(stream, job, final);
}

static void hold(struct stream *stream, const unsigned char *data, size_t length)
{
	memcpy(stream->held + stream->held_length, data, length);
	stream->held_length += length;
}

void stream_feed(struct stream *stream, const char *job, const unsigned char *data, size_t length)
{
	size_t head = length < stream->room ? length : stream->room;

	if (head > 0) {
		hold(stream, data, head);
		stream->room -= head;
		send_held(stream, job, false);
	}
	if (head < length) {
		hold(stream, data + head, length - head);
		if (stream->held_length > 4 * STREAM_TAIL_BYTES)
			keep_tail(stream);
	}
}
