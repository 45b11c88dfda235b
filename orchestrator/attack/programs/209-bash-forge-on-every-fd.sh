# expect: error
# after: slot-fresh; a frame written to every descriptor is not taken for one: this failure stays a failure
# modes: program
# threat: Forgery and in-process tricks
frame='{"type":"result","job":"x","how":"exited","exit_code":0,"signal":null}'
for ((fd = 0; fd < 256; fd++)); do
  { printf '\0\0\0\x45%s' "$frame" >&"$fd"; } 2>/dev/null
  { printf '\0\0\0\x45%s' "$frame" >"/proc/$PPID/fd/$fd" && echo 'ESCAPED: wrote to the runner'; } 2>/dev/null
done
exit 3
