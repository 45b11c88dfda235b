# expect: oom|error
# after: no-procs, mem-back, neighbour-alive; a string that doubles meets the job's limit
# modes: program
# threat: Memory
text=0123456789abcdef
while :; do text=$text$text; done
