# expect: ok "contained: nowhere"
# after: host-file-intact, slot-fresh; only the two small tmpfs take writes
# modes: program
# threat: Filesystem and information
def say(what) = (puts "@output #{what.inspect}"; $stdout.flush; exit!(0))
%w[/x /etc/x /usr/x /usr/bin/x /dev/x /dev/shm/x /sys/x /sys/fs/cgroup/x /proc/sys/kernel/x /root/x /run/x /program/x
   /etc/passwd /runner /pause /proc/sys/kernel/core_pattern /proc/sysrq-trigger].each do |path|
  File.open(path, "a") { say("ESCAPED: #{path}") }
rescue SystemCallError
  next
end
say("contained: nowhere")
