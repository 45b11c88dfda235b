// expect: ok "left a daemon"
// after: no-procs, slot-fresh; a process of a session of its own does not outlive the job
// modes: program
// threat: Processes, threads, signals
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	if len(os.Args) > 1 {
		os.WriteFile("/tmp/.daemon-was-here", nil, 0o600)
		for {
			time.Sleep(time.Hour)
		}
	}
	_, err := os.StartProcess("/program/main", []string{"main", "daemon"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		say("ESCAPED: the probe does not work: " + err.Error())
	}
	for {
		if _, err := os.Stat("/tmp/.daemon-was-here"); err == nil {
			say("left a daemon")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
