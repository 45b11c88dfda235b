-- expect: timeout
-- after: no-procs, slot-fresh, neighbour-alive; a loop that never ends is ended by the host
-- modes: program
-- threat: Time
while true do end
