# expect: py-compile @ 2:8
code = compile("1 + 1", "x", "eval")
output = code
