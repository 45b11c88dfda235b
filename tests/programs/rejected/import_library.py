# expect: py-dynamic-import @ 2:8
import importlib

output = importlib.import_module("json").dumps(input)
