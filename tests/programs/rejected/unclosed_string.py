# expect: syntax-error @ 2:8
name = "Ann
output = name
