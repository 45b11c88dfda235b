import csv
import io

text = "name,price\napple,1.5\nbanana,0.25\n"
rows = list(csv.DictReader(io.StringIO(text)))
buffer = io.StringIO()
writer = csv.writer(buffer, lineterminator="\n")
writer.writerows((row["name"], float(row["price"]) * 2) for row in rows)
output = buffer.getvalue()
