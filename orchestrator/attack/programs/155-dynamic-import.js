// expect: contained|error
// after: slot-fresh; there is no module to import, by any kind of name
// threat: Forgery and in-process tricks
const names = ['fs', 'node:fs', 'child_process', '/runner/runner.mjs', 'file:///etc/passwd', 'data:text/javascript,export default 1', './job.js', 'isolated-vm'];
output = Promise.allSettled(names.map((name) => import(name))).then((all) => {
  const loaded = names.filter((_, i) => all[i].status === 'fulfilled');
  return loaded.length ? 'ESCAPED: imported ' + loaded : 'contained: ' + (all[0].reason && all[0].reason.message);
});
