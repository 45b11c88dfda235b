type Pairs[T] = list[tuple[T, T]]

class Box[T]:
    def __init__(self, value: T) -> None:
        self.value = value

def first[T](pairs: Pairs[T], /, *, default: T | None = None) -> T | None:
    return pairs[0][0] if pairs else default

output = [Box(first([(1, 2)])).value, f"{'nested ' + f'{"quotes"}'}"]
