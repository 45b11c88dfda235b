# expect: py-object-climb @ 2:26
output = getattr(object, "__sub" + "classes__")()
