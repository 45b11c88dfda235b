# expect: ok "done"
# after: slot-fresh, daemon-ok; NUL, broken UTF-8, overlong forms and half characters pass as text and break no transport
import os

for _ in range(16):
    os.write(1, bytes(range(256)) * 16)
    os.write(2, b"\xff\xfe\x00\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82" * 64)
os.write(1, b"\x01\x00\x00\x00\x00\x00\x00\x05hello\xf0\x9f")
os.write(1, b"\x98\x80\n")
output = "done"
