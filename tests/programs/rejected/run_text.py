# expect: py-exec @ 3:1
source = "answer = 42"
exec(source)
output = answer
