import re

RULES = {
    "email": lambda value: bool(re.fullmatch(r"[^@\s]+@[^@\s]+", value or "")),
    "age": lambda value: isinstance(value, int) and value >= 18,
}
record = input or {"email": "nobody", "age": 17}
output = [field for field, rule in RULES.items() if not rule(record.get(field))]
