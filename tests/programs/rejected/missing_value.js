// expect: syntax-error @ 2:14
const rate = ;
output = rate;
