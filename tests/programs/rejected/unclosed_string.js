// expect: syntax-error @ 2:14
const name = 'Ann;
output = name;
