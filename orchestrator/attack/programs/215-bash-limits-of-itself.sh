# expect: ok "contained: hard limits"
# after: disk-flat; hard limits cannot be raised
# modes: program
# threat: Processes, threads, signals
ulimit -c unlimited 2>/dev/null && echo '@output "ESCAPED: core files"' && exit
ulimit -n 100000 2>/dev/null && echo '@output "ESCAPED: open files"' && exit
ulimit -f unlimited 2>/dev/null && echo '@output "ESCAPED: file size"' && exit
ulimit -t unlimited 2>/dev/null && echo '@output "ESCAPED: CPU time"' && exit
echo '@output "contained: hard limits"'
