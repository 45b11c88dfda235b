import functools
import time

def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            wrapper.took = time.perf_counter() - began
    return wrapper

@timed
def work(n):
    return sum(i * i for i in range(n))

output = work(1000)
