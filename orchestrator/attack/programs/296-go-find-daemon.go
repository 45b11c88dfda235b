// expect: ok "contained: alone"
// after: slot-fresh; nothing that the job before has started is visible
// modes: program
// threat: Processes, threads, signals
// follows: 295
package main

import (
	"fmt"
	"os"
	"strconv"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err == nil && pid != 1 && pid != os.Getpid() && pid != os.Getppid() {
			say("ESCAPED: process " + entry.Name())
		}
	}
	if _, err := os.Stat("/tmp/.daemon-was-here"); err == nil {
		say("ESCAPED: its file")
	}
	say("contained: alone")
}
