# expect: ok "contained: closed"
# after: slot-fresh; descriptors, memory and environment of the runner and of PID 1 are closed to the job
# modes: program
# threat: Forgery and in-process tricks
for who in 1 "$PPID"; do
  for file in environ mem maps; do
    { IFS= read -r -n 1 byte <"/proc/$who/$file" && echo "@output \"ESCAPED: /proc/$who/$file\"" && exit; } 2>/dev/null
  done
  for fd in /proc/"$who"/fd/*; do
    [[ -e $fd ]] && echo "@output \"ESCAPED: $fd\"" && exit
  done
  { echo 0 >"/proc/$who/oom_score_adj" && echo "@output \"ESCAPED: oom_score_adj of $who\"" && exit; } 2>/dev/null
done
echo '@output "contained: closed"'
