// A parameter or a variable may be called what a host object is called elsewhere.
function summarise(process) {
  const { name, steps } = process;
  return `${name}: ${steps.length} steps`;
}
const module = { exports: {} };
module.exports.summary = summarise({ name: 'build', steps: [1, 2, 3] });
output = module.exports.summary;
