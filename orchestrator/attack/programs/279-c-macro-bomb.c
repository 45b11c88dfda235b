// expect: contained
// after: no-procs, mem-back, neighbour-alive; a few lines that grow to billions meet the limits of compiling
// modes: program
// threat: Parsing, source, late writes
#define A(x) x x x x x x x x x x x x x x x x
#define B(x) A(A(A(A(x))))
#define D(x) B(B(B(x)))
int main(void) { D(D(;)) }
