-- expect: output_limit|timeout
-- after: no-procs, logs-flat, daemon-ok, mem-back; a flood is cut inside the container
-- modes: program
-- threat: Output and results
for _ = 1, 300 do io.write(string.rep('x', 65536)) end
