# expect: py-process @ 4:20
import os as operating

output = operating.popen("id").read()
