# expect: timeout|contained|error|oom
# after: no-procs, daemon-ok, neighbour-alive; threads count against the job's limits
# modes: program
# threat: Processes, threads, signals
made = 0
begin
  while made < 4096
    Thread.new { sleep }
    made += 1
  end
rescue ThreadError, NoMemoryError => error
  puts "@output #{"contained: #{error.class} after #{made}".inspect}"
  $stdout.flush
  exit!(0)
end
puts '@output "ESCAPED: 4096 threads"'
