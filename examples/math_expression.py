# Math expression: a formula that a user typed, with its variables.
# input: {x, y, z}   output: a number
import math


def evaluate(variables):
    x, y, z = variables["x"], variables["y"], variables["z"]
    return math.sqrt(x * x + y * y + z * z)


output = evaluate(input)
