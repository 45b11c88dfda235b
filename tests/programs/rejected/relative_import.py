# expect: py-relative-import @ 2:6
from .helpers import total

output = total(input)
