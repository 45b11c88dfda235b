# expect: ok "contained: no socket"
# after: no-listeners, daemon-ok; the shell's own sockets reach nobody
# modes: program
# threat: Network
for where in tcp/127.0.0.1/80 tcp/169.254.169.254/80 udp/127.0.0.1/53 tcp/localhost/22; do
  { exec 9<>"/dev/$where" && echo "@output \"ESCAPED: $where\"" && exit; } 2>/dev/null
done
echo '@output "contained: no socket"'
