# expect: py-introspection @ 5:29
# policy: strict
import types

output = types.FunctionType.__code__
