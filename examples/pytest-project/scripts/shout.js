// A customer's rule: names in capitals, sorted.
output = input.names.map((name) => name.toUpperCase()).sort();
