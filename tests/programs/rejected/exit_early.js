// expect: js-process @ 3:15
function main(value) {
  if (!value) process.exit(1);
  return value;
}
output = main(input);
