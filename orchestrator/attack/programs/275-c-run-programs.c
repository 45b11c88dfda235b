// expect: ok "contained: only in /program"
// after: no-procs, slot-fresh; no shell; what is written to /work and /tmp cannot be run; /program is nosuid and nodev
// modes: program
// threat: Native code and exec
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>
static void say(const char *what)
{
	printf("@output \"%s\"\n", what);
	fflush(stdout);
	_exit(0);
}
static int runs(const char *path)
{
	int status;

	if (fork() == 0) {
		execl(path, path, "again", (char *)0);
		_exit(99);
	}
	wait(&status);
	return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}
static void copy(const char *to)
{
	static char block[1 << 16];
	int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_CREAT | O_WRONLY, 0755);
	ssize_t got;

	while ((got = read(in, block, sizeof block)) > 0)
		if (write(out, block, got) != got)
			say("ESCAPED: no room to try");
	close(in);
	close(out);
}
static int mount_is_weak(void)
{
	static char text[1 << 16];
	FILE *mounts = fopen("/proc/self/mountinfo", "r");

	while (fgets(text, sizeof text, mounts)) {
		char place[256], flags[256];

		if (sscanf(text, "%*s %*s %*s %*s %255s %255s", place, flags) == 2 && strcmp(place, "/program") == 0)
			return strstr(flags, "nosuid") == 0 || strstr(flags, "nodev") == 0;
	}
	return 1;
}
int main(int argc, char **argv)
{
	if (argc > 1)
		return geteuid() == getuid() ? 42 : 43;
	if (system("true") == 0 || popen("true", "r") != 0)
		say("ESCAPED: a shell");
	copy("/work/x");
	copy("/tmp/x");
	if (runs("/work/x") || runs("/tmp/x"))
		say("ESCAPED: ran what was written");
	int file = open("/tmp/x", O_RDONLY);
	if (mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED)
		say("ESCAPED: mapped what was written");
	copy("/program/x");
	chmod("/program/x", 04755);
	if (!runs("/program/x"))
		say("ESCAPED: the probe proves nothing, or it became another user");
	if (mknod("/program/null", S_IFCHR | 0600, makedev(1, 3)) == 0)
		say("ESCAPED: a device");
	if (argv[0] == 0 || mount_is_weak())
		say("ESCAPED: /program is weak");
	say("contained: only in /program");
}
