-- expect: error|oom
-- after: slot-fresh; endless recursion is an ordinary error
-- modes: program
-- threat: Parsing, source, late writes
local function f(n) return 1 + f(n + 1) end
f(1)
