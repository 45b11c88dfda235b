# expect: timeout
# after: no-procs, slot-fresh; traps do not extend the deadline
# modes: program
# threat: Time
trap '' HUP INT QUIT TERM XCPU ALRM
while :; do read -r -t 100 <> <(:); done
