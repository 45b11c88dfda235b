# expect: py-builtins @ 2:10
output = __builtins__
