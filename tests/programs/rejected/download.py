# expect: py-network @ 2:6
from urllib.request import urlopen

output = urlopen("https://example.org/").read()
