const evens = { *[Symbol.iterator]() { for (let n = 0; n < 10; n += 2) yield n; } };
output = [...evens].map((n) => n ** 2).findLast((n) => n % 8 === 0);
