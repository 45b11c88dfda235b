function* fibonacci() {
  let [a, b] = [0n, 1n];
  for (;;) { yield a; [a, b] = [b, a + b]; }
}
const first = [];
for (const n of fibonacci()) { if (first.push(String(n)) === 90) break; }
output = first.at(-1);
