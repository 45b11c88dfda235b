from collections import defaultdict
from datetime import date

by_month = defaultdict(float)
for order in (input or {}).get("orders", []):
    by_month[order["date"][:7]] += order["price"]
output = {"months": sorted(by_month.items()), "year": date(2024, 2, 29).year}
