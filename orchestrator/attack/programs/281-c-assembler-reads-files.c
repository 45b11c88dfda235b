// expect: contained
// after: no-procs, mem-back, slot-fresh; the assembler reads no more than the job may, and no endless file
// modes: program
// threat: Parsing, source, late writes
__asm__(".incbin \"/dev/zero\"");
int main(void) { return 0; }
