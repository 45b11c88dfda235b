# expect: py-eval @ 2:13
output = f"{eval('1 + 1')}"
