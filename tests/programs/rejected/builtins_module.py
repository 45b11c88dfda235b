# expect: py-builtins @ 2:8
import builtins

output = builtins.len([1])
