/*
 * Makes the system calls it is told and says what each answered: one line of "index result" for each argument.
 * An argument is NUMBER[,A0[,A1...]]; a leading "i" makes the call by the i386 gate. A value of "m" is the address of
 * a page of zeros that can be written. Linked statically, so that it starts under any profile a runner starts under.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static char page[65536] __attribute__((aligned(4096)));

static long call(long number, const long *a)
{
	long result;
	register long r10 __asm__("r10") = a[3];
	register long r8 __asm__("r8") = a[4];
	register long r9 __asm__("r9") = a[5];
	__asm__ volatile("syscall"
		: "=a"(result)
		: "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	return result;
}

static long call_i386(long number)
{
	long result;
	__asm__ volatile("int $0x80"
		: "=a"(result)
		: "a"(number), "b"(0L), "c"(0L), "d"(0L)
		: "r8", "r9", "r10", "r11", "memory");
	return result;
}

static void say(long number)
{
	char text[24];
	char *at = text + sizeof text;
	unsigned long left = number < 0 ? -(unsigned long)number : (unsigned long)number;
	long arguments[6] = {1};

	do {
		*--at = '0' + left % 10;
		left /= 10;
	} while (left);
	if (number < 0)
		*--at = '-';
	*--at = ' ';
	arguments[1] = (long)at;
	arguments[2] = text + sizeof text - at;
	call(SYS_write, arguments);
}

int main(int argc, char **argv)
{
	long newline[6] = {1, (long)"\n", 1};
	int i;

	for (i = 1; i < argc; i++) {
		int by_gate = argv[i][0] == 'i';
		char *at = argv[i] + by_gate;
		long number = strtol(at, &at, 0);
		long arguments[6] = {0}, zeros[6] = {0};
		long result;
		int n;

		for (n = 0; n < 6 && *at == ','; n++) {
			if (at[1] == 'm') {
				arguments[n] = (long)page;
				at += 2;
			} else {
				arguments[n] = (long)strtoull(at + 1, &at, 0);
			}
		}
		say(i - 1);
		memset(page, 0, sizeof page);
		result = by_gate ? call_i386(number) : call(number, arguments);
		/* A second process would only repeat what the first one does. */
		if (result == 0 && (number == SYS_clone || number == SYS_clone3 || number == SYS_fork || number == SYS_vfork))
			call(SYS_exit_group, zeros);
		say(result);
		call(SYS_write, newline);
	}
	return 0;
}
