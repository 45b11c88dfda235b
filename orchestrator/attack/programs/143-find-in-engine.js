// expect: contained
// after: slot-fresh; the next job's engine is as new
// follows: 142
const hits = [];
if ({}.left !== undefined) hits.push('Object.prototype');
if (typeof left !== 'undefined') hits.push('globalThis');
if ([1].map(x => x + 1)[0] !== 2) hits.push('Array.prototype.map');
if (JSON.stringify.left || console.left) hits.push('functions');
try { if (require('fs').readdirSync('/work').length) hits.push('files'); } catch (e) {}
output = hits.length ? 'ESCAPED: ' + hits.join(' ') : 'contained: nothing was left';
