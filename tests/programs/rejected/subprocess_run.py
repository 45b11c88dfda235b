# expect: py-process @ 2:8
import subprocess

output = subprocess.run(["id"], capture_output=True, text=True).stdout
