# expect: py-dynamic-import @ 2:10
output = __import__("os").getcwd()
