# expect: ok "contained: all refused"
# after: daemon-ok; calls that no job needs are refused before the kernel looks at their arguments
# modes: program
# threat: Kernel interfaces
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
$VERBOSE = nil
x = RUBY_PLATFORM.start_with?("x86_64")
calls = {
  ptrace: [101, 117], process_vm_readv: [310, 270], process_vm_writev: [311, 271], unshare: [272, 97], setns: [308, 268],
  mount: [165, 40], umount2: [166, 39], pivot_root: [155, 41], keyctl: [250, 219], add_key: [248, 217], bpf: [321, 280],
  perf_event_open: [298, 241], io_uring_setup: [425, 425], userfaultfd: [323, 282], personality: [135, 92], socket: [41, 198],
  memfd_create: [319, 279], execveat: [322, 281], clone3: [435, 435], pidfd_open: [434, 434], kexec_load: [246, 104],
  init_module: [175, 105], reboot: [169, 142], open_by_handle_at: [304, 265], splice: [275, 76], flock: [73, 32], mincore: [27, 232],
}
calls.each do |name, (amd, arm)|
  Kernel.syscall(x ? amd : arm, -1, -1, -1, -1, -1)
  say("ESCAPED: #{name} succeeded")
rescue Errno::EPERM, Errno::ENOSYS, Errno::EAFNOSUPPORT
  next
rescue SystemCallError => error
  say("ESCAPED: #{name} got to the kernel: #{error.class}")
end
say("contained: all refused")
