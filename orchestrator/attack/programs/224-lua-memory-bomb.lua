-- expect: oom|error
-- after: no-procs, mem-back, neighbour-alive; a string that doubles meets the job's limit
-- modes: program
-- threat: Memory
local text = 'x'
while true do text = text .. text end
