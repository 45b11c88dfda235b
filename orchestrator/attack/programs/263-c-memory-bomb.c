// expect: oom|error
// after: no-procs, mem-back, neighbour-alive; memory that is really touched meets the job's limit
// modes: program
// threat: Memory
#include <stdlib.h>
#include <string.h>
int main(void)
{
	for (;;) {
		char *more = malloc(1 << 20);

		if (more == 0)
			return 3;
		memset(more, 1, 1 << 20);
	}
}
