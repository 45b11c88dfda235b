// expect: ok "contained: links left"
// after: host-file-intact; links, pipes and giants that the job leaves are followed and read by nobody
// modes: program
// threat: Filesystem and information
// check: files=
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void)
{
	static const char *targets[] = {"/etc/passwd", "/proc/1/environ", "/proc/self/mem", "/dev/zero", "../../etc/passwd", "."};
	char name[16];
	int giant;

	for (int n = 0; n < 6; n++) {
		snprintf(name, sizeof name, "link%d", n);
		symlink(targets[n], name);
	}
	link("main.c", "hard");
	mkfifo("pipe", 0600);
	giant = open("giant", O_CREAT | O_WRONLY, 0600);
	lseek(giant, 1L << 20, SEEK_SET);
	write(giant, "x", 1);
	unlink("hard");
	printf("@output \"contained: links left\"\n");
	return 0;
}
