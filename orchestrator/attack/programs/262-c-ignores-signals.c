// expect: timeout
// after: no-procs, slot-fresh; blocked signals do not extend the deadline
// modes: program
// threat: Time
#include <signal.h>
#include <unistd.h>
int main(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, 0);
	for (;;)
		pause();
}
