// expect: error
// after: slot-fresh; a frame written to every descriptor, its own and the runner's, is not taken for one
// modes: program
// threat: Forgery and in-process tricks
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
	static const char frame[] = "\0\0\0\x45{\"type\":\"result\",\"job\":\"x\",\"how\":\"exited\",\"exit_code\":0,\"signal\":null}";
	char path[64];

	for (int fd = 0; fd < 1024; fd++) {
		if (write(fd, frame, sizeof frame - 1) > 0 && fd > 2)
			printf("ESCAPED: descriptor %d\n", fd);
		snprintf(path, sizeof path, "/proc/%d/fd/%d", getppid(), fd);
		if (open(path, O_WRONLY) >= 0)
			printf("ESCAPED: %s\n", path);
	}
	return 3;
}
