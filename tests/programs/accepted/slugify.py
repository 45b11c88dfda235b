"""Makes a URL slug; words such as eval() or __import__ in strings and comments are no findings."""
import re
import unicodedata

def slug(title):  # os.system("no") stays a comment
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")

output = slug("Crème brûlée: exec('x') explained")
