# expect: output_limit|timeout
# after: no-procs, logs-flat, daemon-ok, mem-back; a flood is cut inside the container
# modes: program
# threat: Output and results
for ((n = 0; n < 300; n++)); do printf '%65536s' x; done
