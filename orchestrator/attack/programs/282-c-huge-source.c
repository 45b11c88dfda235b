// expect: rejected
// after: slot-fresh, mem-back; a source above the limit is refused before a container is used
// modes: program
// threat: Parsing, source, late writes
// pad-source: 33554432
int main(void) { return 0; }
