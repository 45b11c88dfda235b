# expect: contained|oom|error
# after: disk-flat, mem-back, neighbour-alive; files are bounded in size and number, and count as memory
# modes: program
# threat: Filesystem and information
for ((n = 0; n < 5000; n++)); do : >"/tmp/$n" 2>/dev/null || break; done
((n < 5000)) || { echo '@output "ESCAPED: 5000 files"'; exit; }
for ((n = 0; n < 600; n++)); do printf '%65536s' x >>/work/big || break; done 2>/dev/null
((n < 600)) && exit 9
echo '@output "ESCAPED: 39 MB written"'
