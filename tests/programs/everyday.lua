-- What Lua programs do on an ordinary day.
local function check(what, ...)
  if not what then error("failed: " .. debug.traceback()) end
  return what, ...
end

-- files: write, read, seek, lines, rename, remove, temporary ones
local file = check(io.open("a.txt", "w+"))
check(file:write("one\ntwo\nthree\n"))
check(file:seek("set", 4) == 4 and file:read("l") == "two")
file:close()
local count = 0
for _ in io.lines("a.txt") do count = count + 1 end
check(count == 3)
check(os.rename("a.txt", "b.txt") and os.remove("b.txt"))
check(not io.open("b.txt"))
local temporary = check(io.tmpfile())
check(temporary:write("x"))
temporary:close()
check(os.remove(check(os.tmpname())))

-- text, numbers, time
check(("é"):len() == 2 and utf8.len("é") == 1 and ("a1b22"):gsub("%d+", "#") == "a#b#")
check(string.pack(">I4", 258) == "\0\0\1\2" and 7 // 2 == 3 and math.type(2 ^ 53) == "float")
check(os.time { year = 2024, month = 2, day = 29 } and os.date("!%Y", 0) == "1970" and os.clock() >= 0)
check(os.getenv("HOME") == "/work" and os.setlocale("C.UTF-8") == nil or true)

-- coroutines, errors, closures, modules of the job's own
local co = coroutine.wrap(function() for n = 1, 3 do coroutine.yield(n) end end)
check(co() == 1 and co() == 2)
local ok, message = pcall(error, { code = 5 })
check(not ok and message.code == 5)
check(select(2, pcall(string.rep)):find("bad argument"))
local module = io.open("mine.lua", "w")
module:write("return { answer = 42 }")
module:close()
check(require("mine").answer == 42)
os.remove("mine.lua")

-- memory comes and goes
for _ = 1, 5 do
  local t = {}
  for n = 1, 1e4 do t[n] = { n } end
  t = nil
  collectgarbage()
end
print("all right")
