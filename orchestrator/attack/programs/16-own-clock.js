// expect: contained
// after: slot-fresh; a job may set its own clock back, time is measured outside
// check: min_wall_ms=250
const now = Date.now.bind(Date), begun = now();
while (now() - begun < 300);
Date.now = () => 0;
globalThis.Date = class { static now() { return 0; } getTime() { return 0; } };
globalThis.performance = { now: () => 0 };
output = 'contained: it is ' + Date.now();
