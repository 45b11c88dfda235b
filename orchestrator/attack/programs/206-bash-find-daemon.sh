# expect: ok "contained: alone"
# after: slot-fresh; nothing that the job before has started is visible
# modes: program
# threat: Processes, threads, signals
# follows: 205
seen=0
for folder in /proc/[0-9]*; do
  number=${folder#/proc/}
  [[ $number == 1 || $number == "$$" || $number == "$PPID" ]] || seen=$((seen + 1))
done
((seen == 0)) && echo '@output "contained: alone"' || echo "@output \"ESCAPED: $seen others\""
