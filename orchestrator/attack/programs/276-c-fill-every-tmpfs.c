// expect: contained|oom|error
// after: disk-flat, mem-back, neighbour-alive; every file system that takes writes is bounded, and counts as memory
// modes: program
// threat: Filesystem and information
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void)
{
	static const char *places[] = {"/work/big", "/tmp/big", "/program/big"};
	static char block[1 << 16];
	long written = 0;

	for (int n = 0; n < 3; n++) {
		int file = open(places[n], O_CREAT | O_WRONLY, 0600);

		while (write(file, block, sizeof block) > 0)
			if ((written += sizeof block) > 200 << 20) {
				printf("@output \"ESCAPED: 200 MiB\"\n");
				return 0;
			}
	}
	printf("wrote %ld\n", written);
	return 9;
}
