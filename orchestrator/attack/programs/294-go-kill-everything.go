// expect: ok "contained: still here"
// after: no-procs, slot-fresh, daemon-ok; neither the runner nor PID 1 can be signalled
// modes: program
// threat: Processes, threads, signals
package main

import (
	"fmt"
	"os"
	"syscall"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	runner := os.Getppid()
	group, _ := syscall.Getpgid(runner)
	for _, whom := range []int{-1, runner, -runner, -group, 1} {
		for _, number := range []syscall.Signal{0, syscall.SIGSTOP, syscall.SIGTERM, syscall.SIGKILL} {
			if syscall.Kill(whom, number) == nil {
				say(fmt.Sprint("ESCAPED: ", number, " to ", whom))
			}
		}
	}
	say("contained: still here")
}
