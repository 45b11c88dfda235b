// expect: ok "contained: nowhere"
// after: host-file-intact, slot-fresh; the runner is closed, the root is read-only, no engine's socket is in sight
// modes: program
// threat: Filesystem and information
package main

import (
	"fmt"
	"os"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	for _, name := range []string{"mem", "environ", "maps", "fd/0", "fd/1"} {
		for _, pid := range []int{1, os.Getppid()} {
			if file, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name)); err == nil {
				if n, _ := file.Read(make([]byte, 1)); n > 0 {
					say(fmt.Sprint("ESCAPED: ", name, " of ", pid))
				}
			}
		}
	}
	for _, path := range []string{"/x", "/etc/x", "/usr/x", "/usr/bin/x", "/usr/lib/go/x", "/dev/x", "/dev/shm/x", "/sys/fs/cgroup/x", "/proc/sys/kernel/x", "/root/x", "/run/x",
		"/etc/passwd", "/runner", "/usr/bin/link", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"} {
		if _, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
			say("ESCAPED: " + path)
		}
	}
	for _, path := range []string{"/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			say("ESCAPED: " + path)
		}
	}
	say("contained: nowhere")
}
