// expect: ok "contained: all refused"
// after: daemon-ok; calls that no job needs are refused before the kernel looks at their arguments
// modes: program
// threat: Kernel interfaces
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

func say(what string) {
	fmt.Printf("@output %q\n", what)
	os.Exit(0)
}

func main() {
	calls := map[string][2]uintptr{
		"ptrace": {101, 117}, "process_vm_readv": {310, 270}, "unshare": {272, 97}, "setns": {308, 268}, "mount": {165, 40}, "umount2": {166, 39},
		"keyctl": {250, 219}, "add_key": {248, 217}, "bpf": {321, 280}, "perf_event_open": {298, 241}, "io_uring_setup": {425, 425},
		"userfaultfd": {323, 282}, "personality": {135, 92}, "socket": {41, 198}, "memfd_create": {319, 279}, "execveat": {322, 281},
		"clone3": {435, 435}, "pidfd_open": {434, 434}, "kexec_load": {246, 104}, "init_module": {175, 105}, "reboot": {169, 142},
		"open_by_handle_at": {304, 265}, "splice": {275, 76}, "flock": {73, 32}, "mincore": {27, 232}, "setuid": {105, 146}, "capset": {126, 91},
	}
	all := ^uintptr(0)
	for name, numbers := range calls {
		number := numbers[0]
		if runtime.GOARCH != "amd64" {
			number = numbers[1]
		}
		_, _, err := syscall.Syscall6(number, all, all, all, all, all, all)
		if err != syscall.EPERM && err != syscall.ENOSYS && err != syscall.EAFNOSUPPORT {
			say(fmt.Sprint("ESCAPED: ", name, ": ", err))
		}
	}
	say("contained: all refused")
}
