// expect: output_limit|timeout
// after: no-procs, logs-flat, daemon-ok, mem-back; a flood is cut inside the container
// modes: program
// threat: Output and results
#include <unistd.h>
int main(void)
{
	static char block[65536];

	for (int n = 0; n < 300; n++)
		if (write(1, block, sizeof block) < 0)
			return 1;
}
