/*
 * The runner of every program-mode language: speaks with the host, watches the tenant's processes, writes every frame.
 * It never runs tenant code and knows no language: what to run, and how to compile it, is in its arguments.
 *
 * usage: runner RUNTIME VERSION SOURCE-NAME COMMANDS COUNT ARGUMENT... [COUNT ARGUMENT...]...
 *
 * COMMANDS commands follow, each as a count and so many arguments. The last one runs the program, with the job's own
 * arguments after its own; those before it compile, one after the other. orchestrator/domain/runtime.py makes them
 * from the table [program] of runtime.toml.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base.h"
#include "child.h"
#include "folder.h"
#include "frames.h"
#include "streams.h"

#define MOST_COMMANDS 8
#define MOST_ARGUMENTS 64 /* of a job; domain/job.py has the same */
#define TAIL_INTERVAL_MS 100
#define MOST_RETURNED (16 * MIB) /* as base64 it stays well inside a frame */

/* Where a job is in its life. A runner serves one. */
enum stage { WARM, COMPILING, COMPILED, RUNNING, DONE };
static const char *const STAGE_NAMES[] = {"warm", "compiling", "compiled", "running", "done"};

struct command {
	char **argv; /* as many as `count`, then NULL */
	int count;
};

static struct {
	const char *name, *version, *source_name;
	struct command commands[MOST_COMMANDS];
	int count;
} runtime;

static struct {
	char *id;
	char *stdin_text;
	size_t stdin_length;
	char **argv; /* the last command, with the job's arguments */
	size_t output_bytes;
	long cpu_seconds, compile_cpu_seconds;
	long long disk_bytes;
} job;

static enum stage stage = WARM;
static int command_now;
static pid_t child = -1;
static int child_in = -1, child_out = -1, child_err = -1;
static size_t stdin_fed;
static struct stream out, err;
static int wakeup[2];
static long long tails_due; /* 0: none */

void give_up(int code, const char *format, ...)
{
	va_list arguments;

	if (code != EXIT_GONE) {
		va_start(arguments, format);
		dprintf(STDERR_FILENO, "runner: ");
		vdprintf(STDERR_FILENO, format, arguments);
		dprintf(STDERR_FILENO, "\n");
		va_end(arguments);
	}
	if (child > 0)
		kill(-1, SIGKILL);
	_exit(code);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_end(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

/* -- the start of a process ------------------------------------------------------------------------------------ */

static void make_pipe(int *ours, int *theirs, int our_end)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		give_up(EXIT_BROKEN, "pipe: %s", strerror(errno));
	*ours = ends[our_end];
	*theirs = ends[1 - our_end];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK) != 0)
		give_up(EXIT_BROKEN, "pipe: %s", strerror(errno));
}

static void start_compiler(void)
{
	struct child_limits limits = {job.compile_cpu_seconds, 0};
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC), their_err;

	if (nothing < 0)
		give_up(EXIT_BROKEN, "/dev/null: %s", strerror(errno));
	make_pipe(&child_err, &their_err, 0);
	/* Whatever a compiler says is about the program, not of it: stderr. */
	child = child_start(runtime.commands[command_now].argv, nothing, their_err, their_err, limits);
	close(nothing);
	close(their_err);
	stage = COMPILING;
}

static void feed_stdin(void)
{
	ssize_t took = 0;

	if (stdin_fed < job.stdin_length) {
		took = write(child_in, job.stdin_text + stdin_fed, job.stdin_length - stdin_fed);
		if (took > 0)
			stdin_fed += (size_t)took;
	}
	if (stdin_fed == job.stdin_length || (took < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&child_in);
}

static void start_program(void)
{
	struct child_limits limits = {job.cpu_seconds, job.disk_bytes};
	int their_in, their_out, their_err;

	make_pipe(&child_in, &their_in, 1);
	make_pipe(&child_out, &their_out, 0);
	make_pipe(&child_err, &their_err, 0);
	child = child_start(job.argv, their_in, their_out, their_err, limits);
	close(their_in);
	close(their_out);
	close(their_err);
	stage = RUNNING;
	feed_stdin();
}

/* -- the end of a job ------------------------------------------------------------------------------------------ */

/* All that the tenant's processes have written, which are dead: the pipes end. */
static void drain(int *descriptor, struct stream *stream)
{
	static unsigned char data[STREAM_READ_BYTES];
	ssize_t got;

	while (*descriptor >= 0 && (got = read(*descriptor, data, sizeof data)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		stream_feed(stream, job.id, data, (size_t)got);
	}
	close_end(descriptor);
}

static json_t *whole_or_null(bool is_set, long long value)
{
	return is_set ? json_integer(value) : json_null();
}

static void finish(const char *how, int status)
{
	bool has_exited = WIFEXITED(status);
	json_t *fields;
	char *head;
	size_t length;

	stage = DONE;
	tails_due = 0;
	close_end(&child_in);
	stream_release(&out, job.id, true);
	stream_release(&err, job.id, true);
	folder_collect(job.output_bytes < MOST_RETURNED ? job.output_bytes : MOST_RETURNED);
	fields = json_pack("{s:s, s:s, s:s, s:n, s:o, s:o, s:n, s:I}", "type", "result", "job", job.id, "how", how,
			   "payload", "exit_code", whole_or_null(has_exited, WEXITSTATUS(status)), "signal",
			   whole_or_null(!has_exited, WTERMSIG(status)), "observed", "disk_used",
			   (json_int_t)folder_bytes_used());
	head = fields == NULL ? NULL : json_dumps(fields, JSON_COMPACT);
	if (head == NULL)
		give_up(EXIT_BROKEN, "no memory for a result");
	/* The files go out as they are read: no memory of the job's limit is spent on them. */
	length = strlen(head) - 1;
	frames_begin(length + strlen(",\"files\":") + folder_json_length() + strlen("}"));
	frames_write(head, length);
	frames_write(",\"files\":", strlen(",\"files\":"));
	folder_json_send();
	frames_write("}", 1);
	free(head);
	json_decref(fields);
}

static void end_command(int status)
{
	/* INVARIANT: what is said and left is read only when no process of the tenant is alive to change it. */
	child_end_all();
	child = -1;
	drain(&child_out, &out);
	drain(&child_err, &err);
	if (stage == RUNNING) {
		finish(WIFEXITED(status) ? "exited" : "signalled", status);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		finish("compile_failed", status);
	} else if (++command_now < runtime.count - 1) {
		start_compiler();
	} else {
		/* The host sets the program's own limits and clock, and says `run`. */
		stage = COMPILED;
		frames_send(json_pack("{s:s, s:s, s:I}", "type", "compiled", "job", job.id, "disk_used",
				      (json_int_t)folder_mark()));
	}
}

static void hear_of_children(void)
{
	char bytes[64];
	int status, ended = 0;
	pid_t pid;

	while (read(wakeup[0], bytes, sizeof bytes) > 0) {
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == child) {
			ended = status;
			child = 0;
		}
	}
	if (child == 0)
		end_command(ended);
}

/* -- the host -------------------------------------------------------------------------------------------------- */

static const char *text_of(json_t *fields, const char *name)
{
	json_t *value = json_object_get(fields, name);

	if (!json_is_string(value))
		give_up(EXIT_PROTOCOL, "a frame whose %s has no proper value", name);
	return json_string_value(value);
}

static long long limit_of(json_t *fields, const char *table, const char *name)
{
	json_t *value = json_object_get(json_object_get(fields, table), name);

	if (!json_is_integer(value) || json_integer_value(value) <= 0)
		give_up(EXIT_PROTOCOL, "a job whose %s.%s is no positive whole number", table, name);
	return json_integer_value(value);
}

static long cpu_seconds_of(json_t *fields, const char *table)
{
	/* The host judges by the kernel's count; this is the backstop, and the kernel's own is whole seconds. */
	return (long)((limit_of(fields, table, "cpu_time_ms") + 999) / 1000 + 1);
}

static char *copied(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (copy == NULL)
		give_up(EXIT_BROKEN, "no memory for a job");
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static void take_arguments(json_t *arguments)
{
	const struct command *command = &runtime.commands[runtime.count - 1];
	size_t count = json_array_size(arguments);

	if (!json_is_array(arguments) || count > MOST_ARGUMENTS)
		give_up(EXIT_PROTOCOL, "a job whose args have no proper value");
	job.argv = calloc((size_t)command->count + count + 1, sizeof *job.argv);
	if (job.argv == NULL)
		give_up(EXIT_BROKEN, "no memory for a job");
	memcpy(job.argv, command->argv, (size_t)command->count * sizeof *job.argv);
	for (size_t n = 0; n < count; n++) {
		json_t *argument = json_array_get(arguments, n);

		if (!json_is_string(argument) || strlen(json_string_value(argument)) != json_string_length(argument))
			give_up(EXIT_PROTOCOL, "a job whose args have no proper value");
		job.argv[command->count + (int)n] = copied(json_string_value(argument), json_string_length(argument));
	}
}

static void take_job(json_t *fields)
{
	const char *id = text_of(fields, "job");

	if (strcmp(text_of(fields, "mode"), "program") != 0)
		give_up(EXIT_PROTOCOL, "a job of another mode than program");
	if (!json_is_object(json_object_get(fields, "files")))
		give_up(EXIT_PROTOCOL, "a job whose files have no proper value");
	job.id = copied(id, strlen(id));
	job.stdin_length = json_string_length(json_object_get(fields, "stdin"));
	job.stdin_text = copied(text_of(fields, "stdin"), job.stdin_length);
	job.output_bytes = (size_t)limit_of(fields, "limits", "output_bytes");
	job.disk_bytes = limit_of(fields, "limits", "disk_bytes");
	job.cpu_seconds = cpu_seconds_of(fields, "limits");
	if (runtime.count > 1)
		job.compile_cpu_seconds = cpu_seconds_of(fields, "compile");
	take_arguments(json_object_get(fields, "args"));
}

static void start_job(json_t *fields)
{
	json_t *code = json_object_get(fields, "code");
	const char *source = text_of(fields, "code");
	char why[NAME_MAX + 200];

	take_job(fields);
	stream_open(&out, "stdout", job.output_bytes);
	stream_open(&err, "stderr", job.output_bytes);
	if (!folder_place(runtime.source_name, source, json_string_length(code), json_object_get(fields, "files"), why,
			  sizeof why)) {
		stream_feed(&err, job.id, (const unsigned char *)why, strlen(why));
		finish("exited", 1 << 8); /* as a program that says so and exits with 1 */
		return;
	}
	if (runtime.count > 1)
		start_compiler();
	else
		start_program();
}

static void obey(json_t *fields)
{
	const char *type = text_of(fields, "type");

	if (strcmp(type, "ping") == 0)
		frames_send(json_pack("{s:s, s:O}", "type", "pong", "nonce", json_object_get(fields, "nonce")));
	else if (strcmp(type, "job") == 0 && stage == WARM)
		start_job(fields);
	else if (strcmp(type, "run") == 0 && stage == COMPILED && strcmp(text_of(fields, "job"), job.id) == 0)
		start_program();
	else
		give_up(EXIT_PROTOCOL, "a frame of type '%.40s' while %s", type, STAGE_NAMES[stage]);
}

static void hear_host(void)
{
	json_t *fields;

	frames_read_host();
	while ((fields = frames_next()) != NULL) {
		obey(fields);
		json_decref(fields);
	}
}

/* -- the loop -------------------------------------------------------------------------------------------------- */

static void hear_stream(int *descriptor, struct stream *stream)
{
	static unsigned char data[STREAM_READ_BYTES];
	ssize_t got = read(*descriptor, data, sizeof data);

	if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		close_end(descriptor);
	if (got <= 0)
		return;
	stream_feed(stream, job.id, data, (size_t)got);
	if (stream_has_tail(stream) && tails_due == 0)
		tails_due = now_ms() + TAIL_INTERVAL_MS;
}

static int patience_ms(void)
{
	long long left;

	if (tails_due == 0)
		return -1;
	left = tails_due - now_ms();
	return left > 0 ? (int)left : 0;
}

static void release_tails(void)
{
	if (tails_due == 0 || now_ms() < tails_due)
		return;
	tails_due = 0;
	if (stream_has_tail(&out))
		stream_release(&out, job.id, false);
	if (stream_has_tail(&err))
		stream_release(&err, job.id, false);
}

static void turn(void)
{
	/* A descriptor of -1 is passed over by the kernel. */
	struct pollfd watched[] = {
		{HOST_IN, POLLIN, 0},	{wakeup[0], POLLIN, 0}, {child_out, POLLIN, 0},
		{child_err, POLLIN, 0}, {child_in, POLLOUT, 0},
	};

	if (poll(watched, sizeof watched / sizeof *watched, patience_ms()) < 0 && errno != EINTR)
		give_up(EXIT_BROKEN, "poll: %s", strerror(errno));
	/* Streams before ends: what was said before the end is in its place. */
	if (watched[2].revents && child_out >= 0)
		hear_stream(&child_out, &out);
	if (watched[3].revents && child_err >= 0)
		hear_stream(&child_err, &err);
	if (watched[4].revents && child_in >= 0)
		feed_stdin();
	if (watched[1].revents)
		hear_of_children();
	if (watched[0].revents)
		hear_host();
	release_tails();
}

static void wake(int number)
{
	int before = errno;
	char byte = (char)number;

	if (write(wakeup[1], &byte, 1) < 0) {
		/* The pipe is full: it is readable already. */
	}
	errno = before;
}

/* Hear of the ends of children, and of nothing else. */
static void block_signals(void)
{
	struct sigaction act = {.sa_handler = wake, .sa_flags = SA_RESTART};
	sigset_t all;

	if (pipe2(wakeup, O_CLOEXEC | O_NONBLOCK) != 0)
		give_up(EXIT_BROKEN, "pipe: %s", strerror(errno));
	sigfillset(&all);
	sigdelset(&all, SIGCHLD);
	if (sigaction(SIGCHLD, &act, NULL) != 0 || sigprocmask(SIG_SETMASK, &all, NULL) != 0)
		give_up(EXIT_BROKEN, "signals: %s", strerror(errno));
}

static json_t *text_value(char *text)
{
	json_t *value = json_string(text);

	/* Text of the kernel's; a name in it may be no UTF-8. */
	if (value == NULL)
		value = json_string("");
	free(text);
	return value;
}

static void say_ready(char *child_status)
{
	json_t *facts = json_pack("{s:o, s:o, s:o, s:o, s:o}", "status", text_value(read_text("/proc/self/status")),
				  "mountinfo", text_value(read_text("/proc/self/mountinfo")), "limits",
				  text_value(read_text("/proc/self/limits")), "net_dev",
				  text_value(read_text("/proc/self/net/dev")), "child_status", text_value(child_status));

	frames_send(json_pack("{s:s, s:s, s:s, s:o}", "type", "ready", "runtime", runtime.name, "version",
			      runtime.version, "facts", facts));
}

static long count_of(const char *text, long most)
{
	char *end;
	long count = text == NULL ? 0 : strtol(text, &end, 10);

	if (count < 1 || count > most || *end != '\0')
		give_up(EXIT_BROKEN, "usage: runner RUNTIME VERSION SOURCE-NAME COMMANDS COUNT ARGUMENT...");
	return count;
}

static void take_usage(int argc, char **argv)
{
	int at = 5;

	if (argc < 7)
		count_of(NULL, 0);
	runtime.name = argv[1];
	runtime.version = argv[2];
	runtime.source_name = argv[3];
	runtime.count = (int)count_of(argv[4], MOST_COMMANDS);
	for (int n = 0; n < runtime.count; n++) {
		struct command *command = &runtime.commands[n];

		command->count = (int)count_of(at < argc ? argv[at] : NULL, argc - at - 1);
		command->argv = calloc((size_t)command->count + 1, sizeof *command->argv);
		if (command->argv == NULL)
			give_up(EXIT_BROKEN, "no memory");
		memcpy(command->argv, argv + at + 1, (size_t)command->count * sizeof *command->argv);
		at += 1 + command->count;
	}
	if (at != argc)
		count_of(NULL, 0);
}

int main(int argc, char **argv)
{
	child_hide_supervisor();
	take_usage(argc, argv);
	if (runtime.count > 1)
		folder_count_program();
	close_range(3, ~0u, 0);
	if (chdir(WORK) != 0)
		give_up(EXIT_BROKEN, WORK ": %s", strerror(errno));
	block_signals();
	say_ready(child_prove());
	for (;;)
		turn();
}
