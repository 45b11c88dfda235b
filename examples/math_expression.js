// Math expression: a formula that a user typed, with its variables.
// input: { x, y, z }   output: a number
function evaluate(vars) {
  const { x, y, z } = vars;
  return Math.sqrt(x * x + y * y + z * z);
}

output = evaluate(input);
