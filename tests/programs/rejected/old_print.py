# expect: syntax-error @ 2:1
print "hello"
