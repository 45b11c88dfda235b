# expect: py-process @ 4:4
import os

os.system("ls /")
output = "done"
