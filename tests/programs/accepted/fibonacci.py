from functools import cache
from itertools import islice

@cache
def fib(n: int) -> int:
    return n if n < 2 else fib(n - 1) + fib(n - 2)

def fibs():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b

output = [fib(90), list(islice(fibs(), 10))]
