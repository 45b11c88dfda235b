# expect: timeout|contained|error
# after: no-procs, daemon-ok, neighbour-alive; processes of a shell count against the job's pids limit
# modes: program
# threat: Processes, threads, signals
made=0
while ((made < 4096)); do
  (while :; do :; done) &
  made=$((made + 1))
done 2>/dev/null
echo '@output "ESCAPED: 4096 processes"'
