// expect: oom|timeout|contained|error|crashed
// after: no-procs, mem-back, neighbour-alive; goroutines cost memory, and threads count as processes
// modes: program
// threat: Processes, threads, signals
package main

import "syscall"

func main() {
	for {
		go func() {
			syscall.Nanosleep(&syscall.Timespec{Sec: 100}, nil)
		}()
	}
}
