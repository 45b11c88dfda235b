// expect: timeout|contained|oom|error
// after: no-procs, daemon-ok, neighbour-alive; processes count against the job's limits, in whatever way they are made
// modes: program
// threat: Processes, threads, signals
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	int made;

	for (made = 0; made < 4096; made++) {
		pid_t pid = made % 2 ? fork() : fork();

		if (pid == 0)
			for (;;)
				fork();
		if (pid < 0)
			break;
	}
	if (made == 4096)
		printf("@output \"ESCAPED: 4096 processes\"\n");
	else
		printf("@output \"contained: %s after %d\"\n", strerror(errno), made);
	return 0;
}
