-- expect: timeout
-- after: no-procs, slot-fresh; pcall and coroutines do not extend the deadline
-- modes: program
-- threat: Time
while true do pcall(function() while true do coroutine.wrap(function() end)() end end) end
