const multiply = (a, b) => a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
output = multiply([[1, 2], [3, 4]], [[5, 6], [7, 8]]);
