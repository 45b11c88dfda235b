# expect: py-process @ 4:22
import os

output = getattr(os, "sys" + "tem")("id")
