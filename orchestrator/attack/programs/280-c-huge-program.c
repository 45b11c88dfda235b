// expect: contained
// after: no-procs, mem-back, disk-flat; a program of a gigabyte does not fit where programs are put
// modes: program
// threat: Parsing, source, late writes
char everything[1 << 30] = {1};
int main(void) { return everything[5]; }
