# expect: error:ValueError
# after: slot-fresh; an error's text with half pairs, NULs and a method that lies is made into plain text
class Text(str):
    def __str__(self):
        return self

    def encode(self, *a):
        raise SystemExit(0)


raise ValueError(Text("\ud800\x00\x1b[2J" * 4000))
