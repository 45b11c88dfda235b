# expect: ok "left a daemon"
# after: no-procs, slot-fresh; a disowned process that holds every descriptor does not outlive the job, nor hold its result back
# modes: program
# threat: Processes, threads, signals
(
  trap '' HUP INT TERM
  while :; do :; done
) &
disown
echo '@output "left a daemon"'
