// expect: ok "contained: nothing ran"
// after: no-procs, slot-fresh; no shell; what is written to /work and /tmp cannot be run
// modes: program
// threat: Native code and exec
package main

import (
	"fmt"
	"os"
	"os/exec"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	if len(os.Args) > 1 {
		os.Exit(42)
	}
	if exec.Command("/bin/sh", "-c", "true").Run() == nil {
		say("ESCAPED: a shell")
	}
	self, _ := os.ReadFile("/proc/self/exe")
	for _, path := range []string{"/work/x", "/tmp/x"} {
		os.WriteFile(path, self, 0o755)
		command := exec.Command(path, "again")
		command.Run()
		if command.ProcessState != nil && command.ProcessState.ExitCode() == 42 {
			say("ESCAPED: ran " + path)
		}
	}
	say("contained: nothing ran")
}
