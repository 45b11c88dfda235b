# expect: py-object-climb @ 2:61
output = [cls.__name__ for cls in ().__class__.__bases__[0].__subclasses__()]
