# expect: py-eval @ 2:29
run = getattr(__builtins__, "ev" + "al")
output = run("1 + 1")
