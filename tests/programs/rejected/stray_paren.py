# expect: syntax-error @ 2:17
output = (1 + 2))
