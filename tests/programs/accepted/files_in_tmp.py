import os
import pathlib
import tempfile

with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "notes.txt"
    path.write_text("one\ntwo\n", encoding="utf-8")
    with open(path) as file:
        lines = [line.rstrip() for line in file]
    output = {"lines": lines, "names": os.listdir(folder), "size": os.path.getsize(path)}
