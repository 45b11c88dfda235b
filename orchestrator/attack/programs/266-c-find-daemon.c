// expect: ok "contained: alone"
// after: slot-fresh; nothing that the job before has started is visible
// modes: program
// threat: Processes, threads, signals
// follows: 265
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void say(const char *what)
{
	printf("@output \"%s\"\n", what);
	fflush(stdout);
	_exit(0);
}
int main(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while ((entry = readdir(proc)) != 0) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid() && pid != getppid())
			say("ESCAPED: another process");
	}
	say(access("/tmp/.daemon-was-here", F_OK) == 0 ? "ESCAPED: its file" : "contained: alone");
}
