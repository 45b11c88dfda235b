-- expect: ok "contained: no shell"
-- after: no-procs, slot-fresh; there is no shell to ask, and no program that popen could start
-- modes: program
-- threat: Native code and exec
local function say(what) print('@output "' .. what .. '"') os.exit(0) end
if os.execute() then say("ESCAPED: a shell") end
for _, command in ipairs { "id", "/bin/sh -c id", "/usr/bin/lua5.4 -v" } do
  if os.execute(command) then say("ESCAPED: " .. command) end
  local ok, pipe = pcall(io.popen, command)
  if ok and pipe and #pipe:read("a") > 0 then say("ESCAPED: popen " .. command) end
end
say("contained: no shell")
