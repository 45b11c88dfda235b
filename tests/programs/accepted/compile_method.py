import re

WORD = re.compile(r"\w+")

class Query:
    def compile(self, text):
        return [token.lower() for token in WORD.findall(text)]

    def exec(self, tokens):
        return len(tokens)

query = Query()
output = query.exec(query.compile("Find ALL words"))
