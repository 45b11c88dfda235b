# expect: syntax-error @ 2:10
values = [1, 2, 3
output = sum(values)
