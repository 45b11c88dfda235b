// expect: js-host-global @ 4:26
// policy: strict
async function main() {
  const response = await fetch('https://example.org/');
  return response.status;
}
output = main();
