-- expect: error
-- after: slot-fresh; a frame written to every descriptor is not taken for one
-- modes: program
-- threat: Forgery and in-process tricks
local frame = '\0\0\0\x45{"type":"result","job":"x","how":"exited","exit_code":0,"signal":null}'
for fd = 0, 255 do
  for _, path in ipairs { "/proc/self/fd/" .. fd, "/dev/fd/" .. fd } do
    local file = io.open(path, "r+b") or io.open(path, "wb")
    if file then pcall(function() file:write(frame) file:close() end) end
  end
end
os.exit(3)
