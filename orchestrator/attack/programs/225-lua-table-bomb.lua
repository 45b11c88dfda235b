-- expect: oom|error|timeout
-- after: no-procs, mem-back, neighbour-alive; many small objects meet it too
-- modes: program
-- threat: Memory
local all = {}
while true do all[#all + 1] = { {}, {}, tostring(#all) } end
