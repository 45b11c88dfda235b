// expect: ok "contained: nowhere"
// after: host-file-intact, slot-fresh; only the small tmpfs take writes
// modes: program
// threat: Filesystem and information
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
static void say(const char *what)
{
	printf("@output \"%s\"\n", what);
	fflush(stdout);
	_exit(0);
}
int main(void)
{
	static const char *files[] = {"/x", "/etc/x", "/usr/x", "/usr/bin/x", "/usr/include/x", "/dev/x", "/dev/shm/x", "/sys/x", "/sys/fs/cgroup/x",
		"/proc/sys/kernel/x", "/root/x", "/run/x"};
	static const char *there[] = {"/etc/passwd", "/usr/bin/gcc", "/runner", "/pause", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
		"/dev/mem", "/dev/kmsg", "/dev/sda"};

	for (int n = 0; n < 12; n++)
		if (open(files[n], O_CREAT | O_WRONLY, 0600) >= 0 || mkdir(files[n], 0700) == 0)
			say("ESCAPED: a new file");
	for (int n = 0; n < 9; n++)
		if (open(there[n], O_WRONLY) >= 0 || chmod(there[n], 0777) == 0)
			say("ESCAPED: an old file");
	say("contained: nowhere");
}
