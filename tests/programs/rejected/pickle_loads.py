# expect: py-import @ 3:8
import json
import pickle

output = pickle.loads(bytes(input))
