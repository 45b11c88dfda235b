// expect: ok "left a daemon"
// after: no-procs, slot-fresh; a double-forked daemon does not outlive the job, whoever its parent is
// modes: program
// threat: Processes, threads, signals
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
	if (fork() == 0) {
		setsid();
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		/* A brother of this process rather than its child. */
		if (fork() == 0 || syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) {
			for (int fd = 0; fd < 256; fd++)
				close(fd);
			close(open("/tmp/.daemon-was-here", O_CREAT | O_WRONLY, 0600));
			for (;;)
				pause();
		}
		_exit(0);
	}
	wait(0);
	while (access("/tmp/.daemon-was-here", F_OK) != 0)
		usleep(10000);
	printf("@output \"left a daemon\"\n");
	return 0;
}
