// expect: js-global-not-allowed @ 3:21
// policy: strict
const watched = new Proxy({}, {});
output = typeof watched;
