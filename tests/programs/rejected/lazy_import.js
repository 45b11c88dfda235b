// expect: js-dynamic-import @ 3:24
async function load(name) {
  const module = await import(`./plugins/${name}.js`);
  return module.default;
}
output = load('a');
