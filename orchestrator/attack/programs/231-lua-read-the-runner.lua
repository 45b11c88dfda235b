-- expect: ok "contained: closed"
-- after: slot-fresh; memory, descriptors and environment of other processes are closed to the job
-- modes: program
-- threat: Forgery and in-process tricks
local function say(what) print('@output "' .. what .. '"') os.exit(0) end
local own = tonumber(io.open("/proc/self/stat"):read("a"):match("^(%d+)"))
for pid = 1, 400 do
  if pid ~= own then
    for _, name in ipairs { "environ", "mem", "maps", "fd/0", "fd/1", "fd/2" } do
      local file = io.open("/proc/" .. pid .. "/" .. name, "rb")
      if file and file:read(1) then say("ESCAPED: /proc/" .. pid .. "/" .. name) end
    end
    if io.open("/proc/" .. pid .. "/oom_score_adj", "r+") then say("ESCAPED: oom_score_adj of " .. pid) end
  end
end
say("contained: closed")
