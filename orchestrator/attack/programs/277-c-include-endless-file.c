// expect: contained
// after: no-procs, mem-back, neighbour-alive; a compiler that reads for ever meets the limits of compiling
// modes: program
// threat: Parsing, source, late writes
#include "/dev/zero"
int main(void) { return 0; }
