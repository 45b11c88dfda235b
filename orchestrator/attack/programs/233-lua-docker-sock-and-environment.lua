-- expect: ok "contained: nothing"
-- after: daemon-ok; no engine's socket, no variable of the host's
-- modes: program
-- threat: Filesystem and information
local function say(what) print('@output "' .. what .. '"') os.exit(0) end
for _, path in ipairs { "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock" } do
  local file, why, code = io.open(path)
  if file or code ~= 2 then say("ESCAPED: " .. path) end
end
local known = { PATH = 1, LANG = 1, HOME = 1, TMPDIR = 1, HOSTNAME = 1 }
for name in io.open("/proc/self/environ", "rb"):read("a"):gmatch("([^=%z]+)=[^%z]*") do
  if not known[name] then say("ESCAPED: " .. name) end
end
say("contained: nothing")
