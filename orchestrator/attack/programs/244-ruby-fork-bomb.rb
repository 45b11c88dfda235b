# expect: timeout|contained|error|oom
# after: no-procs, daemon-ok, neighbour-alive; processes count against the job's limits
# modes: program
# threat: Processes, threads, signals
made = 0
begin
  while made < 4096
    fork { sleep }
    made += 1
  end
rescue SystemCallError, NoMemoryError => error
  puts "@output #{"contained: #{error.class} after #{made}".inspect}"
  $stdout.flush
  exit!(0)
end
puts '@output "ESCAPED: 4096 processes"'
