// expect: oom|error|crashed
// after: no-procs, mem-back, neighbour-alive; memory that is really touched meets the job's limit
// modes: program
// threat: Memory
package main

var held [][]byte

func main() {
	for {
		more := make([]byte, 1<<20)
		for n := range more {
			more[n] = 1
		}
		held = append(held, more)
	}
}
