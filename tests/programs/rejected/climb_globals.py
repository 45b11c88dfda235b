# expect: py-object-climb @ 5:22
def helper():
    return 1

output = list(helper.__globals__)
