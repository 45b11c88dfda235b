# expect: timeout|crashed|oom|error|contained
# after: no-procs, daemon-ok, neighbour-alive; host process count returns to baseline, host pid_max and other slots unaffected
import os

made = 0
while True:
    try:
        pid = os.fork()
        made += 1 if pid else 0
        if made > 4096:
            output = "ESCAPED: more than 4096 forks succeeded in one process"
            break
    except OSError as e:
        if made == 0:
            output = f"contained: fork errno {e.errno}"
            break
