# expect: py-object-climb @ 3:27
def generator():
    yield generator_frame.f_back

generator_frame = None
output = list(generator())
