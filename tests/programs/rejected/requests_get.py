# expect: py-network @ 2:8
import requests

output = requests.get("https://example.org/").json()
