# expect: py-import @ 3:8
# policy: strict
import os

output = os.getcwd()
