// expect: ok "left"
// after: no-procs, slot-fresh; what a job changes in its engine is gone with it
Object.prototype.left = 'left by another job';
globalThis.left = 'left by another job';
Array.prototype.map = () => ['left by another job'];
JSON.stringify.left = console.left = 1;
try { require('fs').writeFileSync('/work/left.txt', 'left by another job'); } catch (e) {}
delete Object.prototype.left.x;
output = 'left';
