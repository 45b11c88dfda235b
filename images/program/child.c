#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"

#define MOST_PROC_TEXT (256 * KIB)

#if defined(__x86_64__)
#define OUR_ABI AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ABI AUDIT_ARCH_AARCH64
#else
#error "no system call numbers for this machine"
#endif

extern char **environ;

void child_hide_supervisor(void)
{
	/* SECURITY: the tenant has the same uid; only a process that is not dumpable keeps its descriptors, memory and
	 * environment under /proc from it. */
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		give_up(EXIT_BROKEN, "hide the process: %s", strerror(errno));
	/* INVARIANT: every orphan of the tenant's becomes our child, so `child_end_all` sees the end of all of them. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		give_up(EXIT_BROKEN, "adopt orphans: %s", strerror(errno));
}

/* -- in the child -------------------------------------------------------------------------------------------- */

#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define PASS BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (field))
/* The kernel takes the low half of these arguments; both machines have it first. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))

/*
 * SECURITY: on top of the container's profile: no signal to the supervisor, to its group, or to everybody. The profile
 * itself refuses tkill, ptrace, pidfds, F_SETOWN and other processes' limits (tests/security/test_runtime_attacks.py).
 */
static int install_filter(pid_t supervisor, pid_t group)
{
	struct sock_filter rules[] = {
		LOAD(offsetof(struct seccomp_data, arch)),
		IF_EQUAL(OUR_ABI, 1, 0),
		REFUSE,
		LOAD(offsetof(struct seccomp_data, nr)),
		IF_EQUAL(SYS_kill, 0, 5),
		LOAD(ARGUMENT(0)),
		IF_EQUAL((unsigned)supervisor, 8, 0),
		IF_EQUAL((unsigned)-group, 7, 0),
		IF_EQUAL((unsigned)-1, 6, 0),
		PASS,
		IF_EQUAL(SYS_tgkill, 0, 5),
		LOAD(ARGUMENT(0)),
		IF_EQUAL((unsigned)supervisor, 2, 0),
		LOAD(ARGUMENT(1)),
		IF_EQUAL((unsigned)supervisor, 0, 1),
		REFUSE,
		PASS,
	};
	struct sock_fprog program = {sizeof rules / sizeof *rules, rules};

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static const char *lower(int which, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) != 0)
		return "getrlimit";
	if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
		limit.rlim_max = most;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(which, &limit) == 0 ? NULL : "setrlimit";
}

static bool write_text(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool written = file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text);

	if (file >= 0)
		close(file);
	return written;
}

/* Take from this process what the tenant must not have. NULL, or the step that failed: then nothing may be run. */
static const char *lock_down(pid_t supervisor, pid_t supervisors_group, struct child_limits limits)
{
	const char *failed;
	sigset_t none;

	if (setsid() < 0)
		return "setsid";
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
		return "signals";
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
		return "death signal";
	/* It may look at its own /proc/self, and oom_score_adj is its own to write while it is dumpable. */
	if (prctl(PR_SET_DUMPABLE, 1) != 0)
		return "show the child to itself";
	/* The kernel should end the tenant's process, not the supervisor that has to report it: a help, not a wall. */
	if (!write_text("/proc/self/oom_score_adj", "1000"))
		return "oom_score_adj";
	if (limits.file_bytes > 0 && (failed = lower(RLIMIT_FSIZE, (rlim_t)limits.file_bytes)) != NULL)
		return failed;
	if (limits.cpu_seconds > 0 && (failed = lower(RLIMIT_CPU, (rlim_t)limits.cpu_seconds)) != NULL)
		return failed;
	if ((failed = lower(RLIMIT_CORE, 0)) != NULL)
		return failed;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return "no new privileges";
	return install_filter(supervisor, supervisors_group) == 0 ? NULL : "filter";
}

/* A process that is not the tenant's yet ends by this alone. */
static void refuse_to_run(const char *step)
{
	dprintf(STDERR_FILENO, "runner: %s: %s\n", step, strerror(errno));
	_exit(127);
}

static void take_descriptors(int in, int out, int err)
{
	int places[3] = {in, out, err};

	/* Above the three places first, so that none is overwritten before it is moved. */
	for (int n = 0; n < 3; n++)
		places[n] = fcntl(places[n], F_DUPFD_CLOEXEC, 3);
	for (int n = 0; n < 3; n++)
		dup2(places[n], n);
	/* SECURITY: three descriptors are all it has; the host's stream is not among them. */
	if (close_range(3, ~0u, 0) != 0)
		refuse_to_run("close descriptors");
}

/* -- in the supervisor --------------------------------------------------------------------------------------- */

pid_t child_start(char *const argv[], int in, int out, int err, struct child_limits limits)
{
	pid_t supervisor = getpid(), group = getpgrp(), pid = fork();
	const char *failed;

	if (pid < 0)
		give_up(EXIT_BROKEN, "fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	take_descriptors(in, out, err);
	if ((failed = lock_down(supervisor, group, limits)) != NULL)
		refuse_to_run(failed);
	execve(argv[0], argv, environ);
	refuse_to_run(argv[0]);
	return -1; /* not reached */
}

static bool is_refused(int result)
{
	return result == -1 && errno == EPERM;
}

static const char *prove(pid_t supervisor, pid_t group)
{
	/* SECURITY: asked, not believed. Signal 0 reaches nobody, should one of them be let through. */
	if (!is_refused(kill(supervisor, 0)))
		return "the child can signal the supervisor";
	if (!is_refused(kill(-group, 0)))
		return "the child can signal the supervisor's group";
	if (!is_refused(kill(-1, 0)))
		return "the child can signal everybody";
	if (!is_refused((int)syscall(SYS_tgkill, supervisor, supervisor, 0)))
		return "the child can signal the supervisor's thread";
	return kill(getpid(), 0) == 0 ? NULL : "the child cannot signal itself";
}

static void live_as_proof(pid_t supervisor, pid_t group, int answer)
{
	static const struct child_limits NONE = {0, 0};
	const char *failed = lock_down(supervisor, group, NONE);

	if (failed == NULL)
		failed = prove(supervisor, group);
	if (failed != NULL)
		dprintf(answer, "%s: %s", failed, strerror(errno));
	else
		dprintf(answer, "+");
	for (;;)
		pause();
}

char *child_prove(void)
{
	pid_t supervisor = getpid(), group = getpgrp(), pid;
	char said[200] = "", path[64];
	char *status;
	int answer[2];

	if (pipe2(answer, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		give_up(EXIT_BROKEN, "prepare a child: %s", strerror(errno));
	if (pid == 0)
		live_as_proof(supervisor, group, answer[1]);
	close(answer[1]);
	if (read(answer[0], said, sizeof said - 1) <= 0)
		give_up(EXIT_BROKEN, "the child ended while it was prepared");
	close(answer[0]);
	if (strcmp(said, "+") != 0)
		give_up(EXIT_BROKEN, "proof: %s", said);
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	status = read_text(path);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return status;
}

void child_end_all(void)
{
	/* INVARIANT: no process of the tenant is left. The kernel signals all of them under one lock, refuses a fork to
	 * whom SIGKILL waits for, and hands us every orphan; PID 1 is another uid's. */
	do {
		kill(-1, SIGKILL);
	} while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

char *read_text(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(MOST_PROC_TEXT + 1);
	size_t held = 0;
	ssize_t got = 0;

	if (file < 0 || text == NULL)
		give_up(EXIT_BROKEN, "%s: %s", path, strerror(errno));
	while (held < MOST_PROC_TEXT && (got = read(file, text + held, MOST_PROC_TEXT - held)) > 0)
		held += (size_t)got;
	if (got < 0)
		give_up(EXIT_BROKEN, "%s: %s", path, strerror(errno));
	close(file);
	text[held] = '\0';
	return text;
}
