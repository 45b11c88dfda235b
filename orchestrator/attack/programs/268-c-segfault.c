// expect: crashed
// after: no-procs, slot-fresh, disk-flat; a crash is told as one, and leaves no core file
// modes: program
// threat: Processes, threads, signals
int main(void)
{
	*(volatile int *)8 = 1;
}
