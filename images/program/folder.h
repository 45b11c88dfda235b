/*
 * Files of a program: the source and the given ones go into the work folder, what it leaves there comes back.
 * Links are never followed and reading is bounded. It collects only when no process of the tenant is left.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Write the source and the given files (name to base64). On failure false, and a sentence for the tenant. */
bool folder_place(const char *source_name, const char *source, size_t source_length, json_t *files, char *why,
		  size_t why_length);

/* There is a /program: it counts too. */
void folder_count_program(void);

/* From here on only what is added to /tmp and /program counts. How many bytes they hold together. */
long long folder_mark(void);

/* How much the fullest of the tenant's file systems holds, by the file system's own count. */
long long folder_bytes_used(void);

/* Find the regular files that are new or changed: at most 64, at most `most_bytes` together, in order of their names. */
void folder_collect(size_t most_bytes);

/* The JSON object of what was found, name to base64: its length, then its bytes to the host. */
size_t folder_json_length(void);
void folder_json_send(void);

#endif
