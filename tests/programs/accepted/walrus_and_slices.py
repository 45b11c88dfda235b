data = list(range(20))
if (n := len(data)) > 10:
    data[1:3], data[-1] = ["x", "y"], ...
*head, tail = [value for value in data[::3] if value is not ...]
output = [n, head, tail, {**{"a": 1}, "b": [*head]}]
