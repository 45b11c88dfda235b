// expect: contained
// after: no-procs, mem-back, disk-flat; a program of a gigabyte meets the limits of compiling
// modes: program
// threat: Parsing, source, late writes
package main

var everything = [1 << 30]byte{1 << 29: 1}

func main() { println(everything[5]) }
