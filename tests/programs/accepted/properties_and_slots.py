class Celsius:
    __slots__ = ("_degrees",)

    def __init__(self, degrees: float = 0.0) -> None:
        self._degrees = degrees

    @property
    def fahrenheit(self) -> float:
        return self._degrees * 9 / 5 + 32

    @fahrenheit.setter
    def fahrenheit(self, value: float) -> None:
        self._degrees = (value - 32) * 5 / 9

c = Celsius()
c.fahrenheit = 212
output = getattr(c, "fahrenheit"), hasattr(c, "kelvin")
