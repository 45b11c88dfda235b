// expect: ok "contained: no socket"
// after: no-listeners, daemon-ok; there is no socket to listen on or to dial with
// modes: program
// threat: Network
package main

import (
	"fmt"
	"net"
	"os"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	if _, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		say("ESCAPED: a listener")
	}
	for _, where := range []string{"127.0.0.1:80", "169.254.169.254:80", "[::1]:22"} {
		if _, err := net.Dial("tcp", where); err == nil {
			say("ESCAPED: " + where)
		}
	}
	if _, err := net.Dial("unix", "/var/run/docker.sock"); err == nil {
		say("ESCAPED: the engine")
	}
	say("contained: no socket")
}
