# expect: ok "contained: nowhere"
# after: host-file-intact, slot-fresh; only the two small tmpfs take writes
# modes: program
# threat: Filesystem and information
for place in / /etc /usr /usr/bin /usr/lib /dev /dev/shm /sys /sys/fs/cgroup /proc /proc/sys/kernel /home /root /var /run /program; do
  { : >"$place/x" && echo "@output \"ESCAPED: $place\"" && exit; } 2>/dev/null
done
for file in /etc/passwd /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do
  { exec 9>>"$file" && echo "@output \"ESCAPED: $file\"" && exit; } 2>/dev/null
done
echo '@output "contained: nowhere"'
