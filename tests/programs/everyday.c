// What C programs do on an ordinary day.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                                          \
	do {                                                                                 \
		if (!(what)) {                                                               \
			fprintf(stderr, "failed: line %d: %s: %m\n", __LINE__, #what);       \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

static atomic_int total;
static volatile sig_atomic_t caught;

static void *add(void *n)
{
	atomic_fetch_add(&total, (int)(long)n);
	return n;
}

static void note(int number)
{
	caught = number;
}

static void files(void)
{
	char text[100];
	struct stat facts;
	FILE *file = fopen("a.txt", "w+");
	int fd;

	CHECK(file && fprintf(file, "%d %s\n", 42, "é") == 6 && fseek(file, 0, SEEK_SET) == 0 && fgets(text, 100, file));
	CHECK(strcmp(text, "42 é\n") == 0 && fclose(file) == 0 && stat("a.txt", &facts) == 0 && facts.st_size == 6);
	CHECK(chmod("a.txt", 0600) == 0 && rename("a.txt", "b.txt") == 0 && link("b.txt", "c.txt") == 0 && symlink("c.txt", "d") == 0);
	CHECK(mkdir("e", 0700) == 0 && chdir("e") == 0 && chdir("..") == 0 && getcwd(text, 100) && access("d", R_OK) == 0);
	CHECK(truncate("b.txt", 3) == 0 && (fd = open("b.txt", O_RDWR | O_APPEND)) >= 0 && ftruncate(fd, 4096) == 0);
	CHECK(pwrite(fd, "x", 1, 10) == 1 && pread(fd, text, 4, 0) == 4 && fsync(fd) == 0 && fdatasync(fd) == 0 && futimens(fd, 0) == 0);
	void *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && msync(map, 4096, MS_SYNC) == 0 && munmap(map, 4096) == 0 && posix_fallocate(fd, 0, 8192) == 0);
	struct iovec parts[] = {{"ab", 2}, {"cd", 2}};
	CHECK(writev(fd, parts, 2) == 4 && close(fd) == 0);
	DIR *folder = opendir(".");
	int count = 0;
	while (readdir(folder))
		count++;
	CHECK(closedir(folder) == 0 && count >= 6);
	CHECK(unlink("b.txt") == 0 && unlink("c.txt") == 0 && unlink("d") == 0 && rmdir("e") == 0 && (file = tmpfile()) && fclose(file) == 0);
}

static void processes(void)
{
	int ends[2], status, copy;
	pid_t pid;
	char text[20] = "";
	char *again[] = {"/program/main", "again", 0};

	CHECK(pipe(ends) == 0 && (pid = fork()) >= 0);
	if (pid == 0) {
		CHECK(dup2(ends[1], 9) == 9 && write(9, "child", 5) == 5);
		_exit(7);
	}
	CHECK(read(ends[0], text, 5) == 5 && strcmp(text, "child") == 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
	CHECK((copy = dup(ends[0])) >= 0 && fcntl(copy, F_SETFL, O_NONBLOCK) == 0 && read(copy, text, 1) == -1 && errno == EAGAIN && close(copy) == 0);
	CHECK(posix_spawn(&pid, again[0], 0, 0, again, environ) == 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
	CHECK((pid = vfork()) >= 0);
	if (pid == 0)
		_exit(3);
	siginfo_t info;
	CHECK(waitid(P_PID, pid, &info, WEXITED) == 0 && info.si_status == 3);
	signal(SIGUSR1, note);
	CHECK(raise(SIGUSR1) == 0 && caught == SIGUSR1 && kill(getpid(), 0) == 0);
	struct itimerval soon = {{0, 0}, {0, 1000}};
	signal(SIGALRM, note);
	CHECK(setitimer(ITIMER_REAL, &soon, 0) == 0);
	while (caught != SIGALRM)
		usleep(1000);
	struct pollfd watched = {ends[0], POLLIN, 0};
	CHECK(poll(&watched, 1, 0) == 0 && write(ends[1], "x", 1) == 1 && poll(&watched, 1, 100) == 1);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	CHECK(select(ends[0] + 1, &set, 0, 0, 0) == 1);
	int epoll = epoll_create1(0), event = eventfd(1, 0);
	struct epoll_event wanted = {EPOLLIN, {.fd = event}}, got;
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted) == 0 && epoll_wait(epoll, &got, 1, 100) == 1 && got.data.fd == event);
}

static void others(void)
{
	pthread_t threads[4];
	regex_t pattern;
	struct rlimit limit;
	struct rusage usage;
	struct timespec now;
	static jmp_buf back;
	sem_t semaphore;
	char *text;
	void *big;

	for (long n = 0; n < 4; n++)
		CHECK(pthread_create(&threads[n], 0, add, (void *)n) == 0);
	for (int n = 0; n < 4; n++)
		CHECK(pthread_join(threads[n], 0) == 0);
	CHECK(total == 6 && pthread_setname_np(pthread_self(), "me") == 0);
	CHECK(sem_init(&semaphore, 0, 1) == 0 && sem_wait(&semaphore) == 0);
	CHECK(regcomp(&pattern, "^a(b+)c$", REG_EXTENDED) == 0 && regexec(&pattern, "abbc", 0, 0, 0) == 0);
	CHECK(fabs(sin(M_PI / 6) - 0.5) < 1e-12 && strtod("1e3", 0) == 1000 && asprintf(&text, "%.2f|%5s|%lx", 2.5, "ab", 255L) > 0);
	CHECK(strcmp(text, "2.50|   ab|ff") == 0 && getenv("HOME") && strcmp(getenv("HOME"), "/work") == 0 && setlocale(LC_ALL, "C"));
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= 32 && getrusage(RUSAGE_SELF, &usage) == 0);
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && nanosleep(&(struct timespec){0, 1000}, 0) == 0 && time(0) > 0);
	CHECK(setrlimit(RLIMIT_STACK, &(struct rlimit){1 << 20, 8 << 20}) == 0 || errno == EINVAL || errno == EPERM);
	big = malloc(8 << 20);
	CHECK((big = realloc(big, 12 << 20)) != 0);
	free(big);
	if (setjmp(back) == 0)
		longjmp(back, 1);
	srand(1);
	CHECK(rand() >= 0 && isatty(0) == 0 && umask(022) >= 0 && sysconf(_SC_NPROCESSORS_ONLN) > 0 && getppid() > 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return argv[0] ? 5 : 6;
	files();
	processes();
	others();
	puts("all right");
	return 0;
}
