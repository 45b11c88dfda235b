/*
 * PID 1 of every container: keeps it alive, reaps what is orphaned, and does nothing else.
 *
 * It blocks every signal that can be blocked, so nothing but SIGKILL from outside ends it. As PID 1 the kernel
 * hands it the orphans of the container; it waits for SIGCHLD and reaps them, so that a job cannot fill
 * the process table with zombies. It reads no argument, no environment and no file, and allocates nothing.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static void reap_all(void)
{
	while (waitpid(-1, 0, WNOHANG) > 0) {
	}
}

int main(void)
{
	sigset_t every;
	int signal_number;

	sigfillset(&every);
	sigprocmask(SIG_SETMASK, &every, 0);
	for (;;) {
		reap_all();
		sigwait(&every, &signal_number);
	}
}
