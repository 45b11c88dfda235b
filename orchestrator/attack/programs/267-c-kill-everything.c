// expect: ok "contained: still here"
// after: no-procs, slot-fresh, daemon-ok; no way to signal reaches the runner or PID 1, by pid, by group, by thread, by descriptor or by timer
// modes: program
// threat: Processes, threads, signals
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
static void say(const char *what)
{
	printf("@output \"%s\"\n", what);
	fflush(stdout);
	_exit(0);
}
int main(void)
{
	pid_t runner = getppid(), group = getpgid(runner);
	int signals[] = {0, SIGSTOP, SIGTERM, SIGKILL}, ends[2];
	pid_t whom[] = {-1, runner, -runner, -group, 1, -0x7fffffff - 1};
	struct rlimit none = {0, 0};
	siginfo_t info = {.si_code = -1};

	for (int n = 0; n < 4; n++) {
		for (int m = 0; m < 6; m++)
			if (kill(whom[m], signals[n]) == 0)
				say("ESCAPED: kill");
		/* The kernel looks at the low half of a pid only. */
		if (syscall(SYS_kill, 0x100000000L | runner, signals[n]) == 0)
			say("ESCAPED: kill with a high half");
		if (syscall(SYS_tgkill, runner, runner, signals[n]) == 0 || syscall(SYS_tgkill, -1, runner, signals[n]) == 0)
			say("ESCAPED: tgkill");
		if (syscall(SYS_tkill, runner, signals[n]) == 0)
			say("ESCAPED: tkill");
		if (syscall(SYS_rt_sigqueueinfo, runner, signals[n], &info) == 0)
			say("ESCAPED: rt_sigqueueinfo");
	}
	if (syscall(SYS_pidfd_open, runner, 0) >= 0)
		say("ESCAPED: pidfd_open");
	if (pipe(ends) != 0 || fcntl(ends[0], F_SETOWN, runner) == 0 || fcntl(ends[0], F_SETSIG, SIGKILL) == 0)
		say("ESCAPED: F_SETOWN");
	if (prlimit(runner, RLIMIT_CPU, &none, 0) == 0 || setpriority(PRIO_PROCESS, runner, 19) == 0)
		say("ESCAPED: limits of the runner");
	if (setpgid(0, group) == 0)
		say("ESCAPED: into the runner's group");
	say("contained: still here");
}
