# expect: py-process @ 2:22
from os import path, system

output = system("id")
