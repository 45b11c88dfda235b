# expect: ok "contained: still here"
# after: no-procs, slot-fresh, daemon-ok; neither the runner nor PID 1 can be signalled; the job ends by its own result
# modes: program
# threat: Processes, threads, signals
for whom in -1 "$PPID" "-$PPID" 1; do
  for number in 0 STOP TERM KILL; do
    if kill "-$number" -- "$whom" 2>/dev/null; then echo "@output \"ESCAPED: kill -$number $whom\""; exit; fi
  done
done
echo '@output "contained: still here"'
