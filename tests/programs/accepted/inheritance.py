class Base:
    registry = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        Base.registry[cls.__name__] = cls

    def __repr__(self):
        return f"<{type(self).__name__} {self.__dict__}>"

class Child(Base):
    __slots__ = ("x",)

    def __getattr__(self, name):
        return f"no {name}"

output = [sorted(Base.registry), Child().missing]
