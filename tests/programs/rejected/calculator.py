# expect: py-eval @ 3:10
formula = "2 + 2"
output = eval(formula)
