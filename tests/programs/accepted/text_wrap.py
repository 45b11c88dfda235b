import string
import textwrap

text = "The quick brown fox jumps over the lazy dog. " * 3
lines = textwrap.wrap(text, width=30)
letters = {letter: text.lower().count(letter) for letter in string.ascii_lowercase}
output = {"lines": lines, "missing": [letter for letter, n in letters.items() if not n]}
