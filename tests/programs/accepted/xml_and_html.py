import html
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs, urlsplit

root = ET.fromstring("<a><b id='1'>x</b></a>")
query = parse_qs(urlsplit("https://example.org/?q=1&q=2").query)
output = [root.find("b").get("id"), html.escape("<eval>"), query]
