# expect: output_limit|timeout
# after: no-procs, logs-flat, daemon-ok, mem-back; a flood is cut inside the container
# modes: program
# threat: Output and results
300.times { $stdout.write('x' * 65_536) }
