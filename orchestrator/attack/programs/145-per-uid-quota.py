# expect: contained|error
# after: neighbour-alive; per-uid kernel quotas (pipe pages, inotify instances, pending signals) eaten here do not shrink another job's: each slot has its own uid
# check: neighbour_pipe=65536
import os
import time

keep = []
try:
    for _ in range(2000):
        keep.append(os.pipe())
except OSError:
    pass
time.sleep(2.5)
output = f"contained: {len(keep)} pipes"
