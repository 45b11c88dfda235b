let found = null;
outer: for (const [y, row] of [[1, 2], [3, 4]].entries()) {
  for (const x in row) {
    switch (row[x]) {
      case 3: found = { y, x: Number(x) }; break outer;
      default: continue;
    }
  }
}
output = found;
