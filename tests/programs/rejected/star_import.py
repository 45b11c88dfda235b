# expect: py-star-import @ 3:18
# policy: strict
from math import *

output = sqrt(2)
