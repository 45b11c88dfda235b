import ast
import operator

OPERATORS = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Sub: operator.sub}

def eval(node):
    match node:
        case ast.Expression(body=body):
            return eval(body)
        case ast.Constant(value=value):
            return value
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](eval(left), eval(right))
        case _:
            raise ValueError(node)

output = eval(ast.parse("2 * (3 + 4)", mode="eval"))
