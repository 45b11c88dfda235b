# expect: py-open @ 3:6
# policy: strict
with open("/etc/hostname") as file:
    output = file.read()
