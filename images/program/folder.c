#define _GNU_SOURCE
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base.h"
#include "frames.h"
#include "streams.h"

#define MOST_FILES 64
#define MOST_ENTRIES 4096
#define MOST_NAME 255

static const char *const FILE_SYSTEMS[] = {WORK, "/tmp", PROGRAM};
static size_t file_system_count = 2;

/* What was put there: to tell it from what the program made. One more than the given: the source. */
static struct {
	char name[MOST_NAME + 1];
	size_t size;
	uint64_t digest;
} given[MOST_FILES + 1];
static size_t given_count;

static struct {
	char name[MOST_NAME + 1];
	int descriptor;
	size_t size;
} found[MOST_FILES];
static size_t found_count;

static long long marked[3];

/* FNV-1a. A program that makes two contents alike keeps one of its own files to itself, nothing else. */
static uint64_t digest_more(uint64_t digest, const unsigned char *data, size_t length)
{
	for (size_t n = 0; n < length; n++)
		digest = (digest ^ data[n]) * 0x100000001B3u;
	return digest;
}

static const uint64_t DIGEST_START = 0xCBF29CE484222325u;

/* -- in ---------------------------------------------------------------------------------------------------- */

static bool is_plain_name(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strlen(name) <= MOST_NAME;
}

static bool write_file(const char *name, const unsigned char *data, size_t length)
{
	int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t at = 0;
	bool written;

	if (file < 0)
		return false;
	while (at < length) {
		ssize_t took = write(file, data + at, length - at);

		if (took < 0)
			break;
		at += (size_t)took;
	}
	written = at == length;
	close(file);
	return written;
}

static bool place(const char *name, const unsigned char *data, size_t length, char *why, size_t why_length)
{
	if (!write_file(name, data, length)) {
		snprintf(why, why_length, "%s: cannot be put into the work folder: %s\n", name, strerror(errno));
		return false;
	}
	snprintf(given[given_count].name, sizeof given[given_count].name, "%s", name);
	given[given_count].size = length;
	given[given_count].digest = digest_more(DIGEST_START, data, length);
	given_count++;
	return true;
}

static int value_of(char letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

/* Decode in place, which base64 has room for; the length, or -1 where it is none. */
static ssize_t decode_base64(char *text, size_t length)
{
	size_t made = 0;
	uint32_t bits = 0;

	while (length > 0 && text[length - 1] == '=')
		length--;
	if (length % 4 == 1)
		return -1;
	for (size_t n = 0; n < length; n++) {
		int value = value_of(text[n]);

		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
		/* The n-th letter completes a byte, but for the first of each four. */
		if (n % 4 != 0)
			text[made++] = (char)(bits >> (6 - 2 * (n % 4)));
	}
	return (ssize_t)made;
}

static bool place_given(const char *name, json_t *content, char *why, size_t why_length)
{
	size_t length = json_string_length(content);
	char *data;
	ssize_t size;
	bool placed;

	if (!json_is_string(content) || !is_plain_name(name) || given_count == MOST_FILES)
		give_up(EXIT_PROTOCOL, "a job whose files have no proper value");
	data = malloc(length + 1);
	if (data == NULL)
		give_up(EXIT_BROKEN, "no memory for a file of %zu bytes", length);
	memcpy(data, json_string_value(content), length);
	size = decode_base64(data, length);
	if (size < 0)
		give_up(EXIT_PROTOCOL, "a file that is no base64");
	placed = place(name, (unsigned char *)data, (size_t)size, why, why_length);
	free(data);
	return placed;
}

bool folder_place(const char *source_name, const char *source, size_t source_length, json_t *files, char *why,
		  size_t why_length)
{
	const char *name;
	json_t *content;

	json_object_foreach(files, name, content)
	{
		if (!place_given(name, content, why, why_length))
			return false;
	}
	if (json_object_get(files, source_name) != NULL) {
		snprintf(why, why_length, "%s: is the program's own name; give the file another\n", source_name);
		return false;
	}
	return place(source_name, (const unsigned char *)source, source_length, why, why_length);
}

/* -- how much ---------------------------------------------------------------------------------------------- */

static long long used_of(const char *path)
{
	struct statvfs figures;

	if (statvfs(path, &figures) != 0)
		return 0;
	return (long long)(figures.f_blocks - figures.f_bfree) * (long long)figures.f_frsize;
}

void folder_count_program(void)
{
	file_system_count = 3;
}

long long folder_mark(void)
{
	/* The work folder holds the job's own files from the start: all of it counts. */
	for (size_t n = 1; n < file_system_count; n++)
		marked[n] = used_of(FILE_SYSTEMS[n]);
	return marked[1] + marked[2];
}

long long folder_bytes_used(void)
{
	long long most = 0;

	for (size_t n = 0; n < file_system_count; n++) {
		long long used = used_of(FILE_SYSTEMS[n]) - marked[n];

		most = used > most ? used : most;
	}
	return most;
}

/* -- out --------------------------------------------------------------------------------------------------- */

static bool is_presentable(const char *name)
{
	size_t length = strlen(name);

	for (size_t n = 0; n < length; n++) {
		if ((unsigned char)name[n] < 0x20 || name[n] == 0x7F)
			return false;
	}
	return utf8_whole((const unsigned char *)name, length) == length;
}

static bool is_as_given(const char *name, int file, size_t size)
{
	unsigned char block[4096];
	uint64_t digest = DIGEST_START;
	ssize_t got;

	for (size_t n = 0; n < given_count; n++) {
		if (strcmp(given[n].name, name) != 0 || given[n].size != size)
			continue;
		while ((got = read(file, block, sizeof block)) > 0)
			digest = digest_more(digest, block, (size_t)got);
		return lseek(file, 0, SEEK_SET) == 0 && got == 0 && digest == given[n].digest;
	}
	return false;
}

/* Whether the file is one to give back: then it stays open, and its size is known. */
static bool open_found(const char *name, size_t room, int *descriptor, size_t *size)
{
	/* SECURITY: judged by the open descriptor; a link, pipe, device or sparse giant is never read. */
	int file = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat facts;

	if (file < 0)
		return false;
	if (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode) && (size_t)facts.st_size <= room &&
	    !is_as_given(name, file, (size_t)facts.st_size)) {
		*descriptor = file;
		*size = (size_t)facts.st_size;
		return true;
	}
	close(file);
	return false;
}

static int by_name(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

void folder_collect(size_t most_bytes)
{
	static char *names[MOST_ENTRIES];
	size_t count = 0, room = most_bytes;
	DIR *entries = opendir(".");
	struct dirent *entry;

	if (entries == NULL)
		return;
	while (count < MOST_ENTRIES && (entry = readdir(entries)) != NULL) {
		if (is_plain_name(entry->d_name) && is_presentable(entry->d_name) &&
		    (names[count] = strdup(entry->d_name)) != NULL)
			count++;
	}
	closedir(entries);
	qsort(names, count, sizeof *names, by_name);
	for (size_t n = 0; n < count && found_count < MOST_FILES; n++) {
		if (!open_found(names[n], room, &found[found_count].descriptor, &found[found_count].size))
			continue;
		room -= found[found_count].size;
		snprintf(found[found_count].name, sizeof found[found_count].name, "%s", names[n]);
		found_count++;
	}
}

/* The name as JSON text. The caller frees it. */
static char *quoted(const char *name)
{
	json_t *value = json_string(name);
	char *text = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY);

	json_decref(value);
	if (text == NULL)
		give_up(EXIT_BROKEN, "no memory for a file's name");
	return text;
}

size_t folder_json_length(void)
{
	size_t length = 2; /* {} */

	for (size_t n = 0; n < found_count; n++) {
		char *name = quoted(found[n].name);

		length += strlen(name) + strlen(":\"\"") + (found[n].size + 2) / 3 * 4 + (n > 0);
		free(name);
	}
	return length;
}

static size_t encode_base64(const unsigned char *data, size_t length, char *text)
{
	static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t made = 0;

	for (size_t at = 0; at < length; at += 3) {
		size_t left = length - at;
		uint32_t bits = (uint32_t)data[at] << 16 | (left > 1 ? (uint32_t)data[at + 1] << 8 : 0) |
				(left > 2 ? data[at + 2] : 0);

		text[made++] = LETTERS[bits >> 18];
		text[made++] = LETTERS[bits >> 12 & 63];
		text[made++] = left > 1 ? LETTERS[bits >> 6 & 63] : '=';
		text[made++] = left > 2 ? LETTERS[bits & 63] : '=';
	}
	return made;
}

static void send_content(int file, size_t size)
{
	unsigned char data[3 * 4096];
	char text[4 * 4096];

	while (size > 0) {
		size_t wanted = size < sizeof data ? size : sizeof data, got = 0;

		while (got < wanted) {
			ssize_t more = read(file, data + got, wanted - got);

			/* The length was promised; nobody is left to change the file. */
			if (more <= 0)
				give_up(EXIT_BROKEN, "a file became shorter");
			got += (size_t)more;
		}
		frames_write(text, encode_base64(data, got, text));
		size -= got;
	}
}

void folder_json_send(void)
{
	frames_write("{", 1);
	for (size_t n = 0; n < found_count; n++) {
		char *name = quoted(found[n].name);

		frames_write(",", n > 0);
		frames_write(name, strlen(name));
		frames_write(":\"", 2);
		send_content(found[n].descriptor, found[n].size);
		frames_write("\"", 1);
		free(name);
	}
	frames_write("}", 1);
}
