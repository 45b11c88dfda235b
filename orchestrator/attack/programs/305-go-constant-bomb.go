// expect: contained
// after: no-procs, mem-back, neighbour-alive; constants that the compiler computes meet its own bounds or the limits of compiling
// modes: program
// threat: Parsing, source, late writes
package main

const (
	a = 1 << 500
	b = a * a * a * a * a * a * a * a
	c = "x" + "y"
)

type t [1 << 40]t2
type t2 [1 << 20]byte

var x t

func main() { println(len(x), b) }
