// expect: syntax-error @ 2:19
output = [1, 2, 3]];
