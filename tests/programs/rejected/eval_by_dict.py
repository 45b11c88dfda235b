# expect: py-eval @ 2:29
output = vars(__builtins__)["eval"]("1")
