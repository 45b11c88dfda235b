-- expect: timeout|error
-- after: no-procs, slot-fresh; a pattern with exponential backtracking is ended by the host
-- modes: program
-- threat: Time
local text = string.rep("a", 200000)
for _ = 1, 1e9 do string.find(text, ".-.-.-.-b") end
