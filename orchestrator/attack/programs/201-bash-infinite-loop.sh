# expect: timeout
# after: no-procs, slot-fresh, neighbour-alive; a shell that never ends is ended by the host
# modes: program
# threat: Time
while :; do :; done
