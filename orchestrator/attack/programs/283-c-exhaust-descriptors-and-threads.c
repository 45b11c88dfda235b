// expect: contained|oom|error
// after: daemon-ok, neighbour-alive; threads and descriptors are bounded
// modes: program
// threat: Processes, threads, signals
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static void *wait_for_ever(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}
int main(void)
{
	pthread_t thread;
	int threads = 0, files = 0;

	while (threads < 4096 && pthread_create(&thread, 0, wait_for_ever, 0) == 0)
		threads++;
	while (files < 4096 && open("/dev/null", O_RDONLY) >= 0)
		files++;
	if (threads == 4096 || files == 4096)
		printf("@output \"ESCAPED: %d threads, %d files\"\n", threads, files);
	else
		printf("@output \"contained: %d threads, %d files\"\n", threads, files);
	fflush(stdout);
	_exit(0);
}
