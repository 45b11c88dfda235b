#include "frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base.h"

#define MOST_FROM_HOST (64 * MIB)
#define READ_BYTES (64 * KIB)

static struct {
	unsigned char header[4];
	size_t header_length;
	unsigned char *body; /* NULL until the header is whole */
	size_t length, held;
} incoming;

static unsigned char chunk[READ_BYTES];
static size_t chunk_length, chunk_taken;

void frames_read_host(void)
{
	ssize_t got = read(HOST_IN, chunk, sizeof chunk);

	if (got == 0)
		give_up(EXIT_GONE, "the host has gone");
	if (got < 0 && errno != EINTR && errno != EAGAIN)
		give_up(EXIT_PROTOCOL, "the host cannot be read: %s", strerror(errno));
	chunk_length = got > 0 ? (size_t)got : 0;
	chunk_taken = 0;
}

static size_t take(unsigned char *into, size_t wanted)
{
	size_t there = chunk_length - chunk_taken;
	size_t taken = wanted < there ? wanted : there;

	memcpy(into, chunk + chunk_taken, taken);
	chunk_taken += taken;
	return taken;
}

static void begin_body(void)
{
	uint32_t length;

	memcpy(&length, incoming.header, sizeof length);
	incoming.length = ntohl(length);
	if (incoming.length > MOST_FROM_HOST)
		give_up(EXIT_PROTOCOL, "a frame of %zu bytes", incoming.length);
	incoming.body = malloc(incoming.length + 1);
	if (incoming.body == NULL)
		give_up(EXIT_BROKEN, "no memory for a frame of %zu bytes", incoming.length);
	incoming.held = 0;
}

static json_t *parse_body(void)
{
	json_error_t error;
	json_t *frame =
		json_loadb((char *)incoming.body, incoming.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);

	free(incoming.body);
	incoming.body = NULL;
	incoming.header_length = 0;
	if (frame == NULL || !json_is_object(frame) || !json_is_string(json_object_get(frame, "type")))
		give_up(EXIT_PROTOCOL, "no object with a type");
	return frame;
}

json_t *frames_next(void)
{
	while (chunk_taken < chunk_length) {
		if (incoming.body == NULL) {
			incoming.header_length +=
				take(incoming.header + incoming.header_length, sizeof incoming.header - incoming.header_length);
			if (incoming.header_length < sizeof incoming.header)
				return NULL;
			begin_body();
		}
		incoming.held += take(incoming.body + incoming.held, incoming.length - incoming.held);
		if (incoming.held == incoming.length)
			return parse_body();
	}
	return NULL;
}

void frames_write(const void *data, size_t length)
{
	const char *left = data;

	while (length > 0) {
		ssize_t written = write(HOST_OUT, left, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			give_up(EXIT_GONE, "the host has gone: %s", strerror(errno));
		left += written;
		length -= (size_t)written;
	}
}

void frames_begin(size_t length)
{
	uint32_t header = htonl((uint32_t)length);

	frames_write(&header, sizeof header);
}

void frames_send(json_t *fields)
{
	char *text = fields == NULL ? NULL : json_dumps(fields, JSON_COMPACT);

	if (text == NULL)
		give_up(EXIT_BROKEN, "no memory for a frame");
	frames_begin(strlen(text));
	frames_write(text, strlen(text));
	free(text);
	json_decref(fields);
}
