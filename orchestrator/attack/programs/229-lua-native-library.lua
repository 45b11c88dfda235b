-- expect: ok "contained: not mapped"
-- after: slot-fresh; a library that the job writes cannot be mapped executable, and the image has none with a door
-- modes: program
-- threat: Native code and exec
local function say(what) print('@output "' .. what .. '"') os.exit(0) end
local self = io.open("/usr/bin/lua5.4", "rb"):read("a")
for _, place in ipairs { "/work/x.so", "/tmp/x.so" } do
  local file = io.open(place, "wb")
  file:write(self)
  file:close()
  local loaded, why = package.loadlib(place, "*")
  if loaded then say("ESCAPED: " .. place) end
  if not tostring(why):find("map") and not tostring(why):find("dynamically load") and not tostring(why):find("permitted") then
    say("ESCAPED: it failed for another reason, " .. tostring(why):gsub('[\\"]', "'"))
  end
end
say("contained: not mapped")
