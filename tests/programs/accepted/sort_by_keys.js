const by = (...keys) => (a, b) => keys.map((key) => (a[key] > b[key]) - (a[key] < b[key])).find((order) => order) ?? 0;
output = [{ a: 2, b: 1 }, { a: 1, b: 2 }, { a: 1, b: 1 }].toSorted(by('a', 'b'));
