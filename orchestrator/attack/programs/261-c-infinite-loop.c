// expect: timeout
// after: no-procs, slot-fresh, neighbour-alive; native code that never ends is ended by the host
// modes: program
// threat: Time
int main(void)
{
	for (volatile int n = 0;; n++) {
	}
}
