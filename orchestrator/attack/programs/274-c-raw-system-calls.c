// expect: ok "contained: all refused"
// after: daemon-ok; calls that no job needs are refused before the kernel looks at their arguments
// modes: program
// threat: Kernel interfaces
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
static const struct { const char *name; long number; } calls[] = {
#define C(name) {#name, SYS_##name}
	C(ptrace), C(process_vm_readv), C(process_vm_writev), C(kcmp), C(unshare), C(setns), C(mount), C(umount2), C(pivot_root), C(chroot),
	C(keyctl), C(add_key), C(request_key), C(bpf), C(perf_event_open), C(io_uring_setup), C(io_uring_enter), C(io_uring_register),
	C(userfaultfd), C(personality), C(socket), C(memfd_create), C(memfd_secret), C(execveat), C(clone3), C(pidfd_open), C(pidfd_getfd),
	C(kexec_load), C(init_module), C(finit_module), C(delete_module), C(reboot), C(open_by_handle_at), C(name_to_handle_at), C(splice), C(tee),
	C(vmsplice), C(flock), C(mincore), C(swapon), C(syslog), C(acct), C(quotactl), C(settimeofday), C(clock_settime), C(sethostname),
	C(setuid), C(setresuid), C(capset), C(shmget), C(semget), C(msgget), C(mq_open), C(inotify_init1), C(fanotify_init), C(migrate_pages),
	C(move_pages), C(seccomp), C(landlock_create_ruleset), C(open_tree), C(fsopen), C(mount_setattr), C(mlockall), C(sched_setscheduler),
#ifdef __x86_64__
	C(modify_ldt), C(iopl), C(ioperm), C(mknod), C(chown),
#endif
};
int main(void)
{
	int count = sizeof calls / sizeof *calls;

	for (int n = 0; n < count; n++) {
		errno = 0;
		if (syscall(calls[n].number, -1, -1, -1, -1, -1, -1) >= 0 || (errno != EPERM && errno != ENOSYS && errno != EAFNOSUPPORT)) {
			printf("@output \"ESCAPED: %s: %d\"\n", calls[n].name, errno);
			return 0;
		}
	}
	for (int bit = 0; bit < 32; bit++) {
		long flags[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};

		for (int n = 0; n < 7; n++)
			if (syscall(SYS_clone, flags[n] | (1L << bit & ~0x7E020000L), 0, 0, 0, 0) >= 0 || errno != EPERM) {
				printf("@output \"ESCAPED: clone %lx\"\n", flags[n]);
				return 0;
			}
	}
	puts("@output \"contained: all refused\"");
	return 0;
}
