-- expect: ok "contained: nowhere"
-- after: host-file-intact, slot-fresh; only the two small tmpfs take writes
-- modes: program
-- threat: Filesystem and information
local function say(what) print('@output "' .. what .. '"') os.exit(0) end
for _, place in ipairs { "", "/etc", "/usr", "/usr/bin", "/usr/lib", "/dev", "/dev/shm", "/sys", "/sys/fs/cgroup", "/proc/sys/kernel", "/root", "/run", "/program" } do
  if io.open(place .. "/x", "w") then say("ESCAPED: " .. place) end
end
for _, file in ipairs { "/etc/passwd", "/runner", "/pause", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger" } do
  if io.open(file, "a") then say("ESCAPED: " .. file) end
end
say("contained: nowhere")
