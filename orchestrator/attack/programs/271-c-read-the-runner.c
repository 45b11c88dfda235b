// expect: ok "contained: closed"
// after: slot-fresh; memory, descriptors and environment of the runner are closed; it cannot be traced
// modes: program
// threat: Forgery and in-process tricks
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>
static void say(const char *what)
{
	printf("@output \"%s\"\n", what);
	fflush(stdout);
	_exit(0);
}
int main(void)
{
	static const char *names[] = {"mem", "environ", "maps", "fd/0", "fd/1", "auxv", "stack", "syscall", "personality"};
	char path[64], byte;
	struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};

	for (int n = 0; n < 9; n++) {
		snprintf(path, sizeof path, "/proc/%d/%s", getppid(), names[n]);
		int file = open(path, O_RDONLY);

		if (file >= 0 && read(file, &byte, 1) > 0)
			say("ESCAPED: a file of the runner's");
	}
	if (ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0 || ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
		say("ESCAPED: ptrace");
	if (process_vm_readv(getppid(), &here, 1, &there, 1, 0) > 0)
		say("ESCAPED: process_vm_readv");
	say("contained: closed");
}
