# expect: syntax-error @ 2:1
def total(orders)
    return sum(orders)
