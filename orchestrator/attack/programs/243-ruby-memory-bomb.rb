# expect: oom|error
# after: no-procs, mem-back, neighbour-alive; a string that doubles meets the job's limit
# modes: program
# threat: Memory
text = 'x' * 1024
text << text while true
