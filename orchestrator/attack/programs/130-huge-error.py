# expect: error:ValueError|oom
# after: slot-fresh, mem-back; an error of megabytes is cut
# program: error|oom; the trace is cut too
raise ValueError("x" * 8_000_000)
