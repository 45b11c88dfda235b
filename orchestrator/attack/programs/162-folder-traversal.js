// expect: contained
// after: host-file-intact; the folder a program is given is all there is
// function: contained
// threat: Filesystem and information
let fs;
try { fs = require('fs'); } catch (e) { output = 'contained: ' + e.name; }
if (fs) {
  const hits = [];
  for (const p of ['/etc/passwd', '../../../etc/passwd', '/proc/self/environ', '/proc/1/cmdline', '/runner/runner.mjs', 'file:///etc/passwd', '/work/../etc/hostname', '/dev/fd/3', '/usr/bin/node', '\u0000/etc/passwd', new Uint8Array([47, 101, 116, 99, 47, 112, 97, 115, 115, 119, 100])]) {
    for (const read of [() => fs.readFileSync(p), () => fs.readdirSync(p), () => fs.openSync(p, 'r')]) {
      try { const got = read(); if (got && (got.length || typeof got === 'number')) hits.push(String(p)); } catch (e) {}
    }
  }
  for (const name of ['symlinkSync', 'linkSync', 'mkfifoSync', 'chownSync', 'watch', 'createReadStream', 'readlinkSync', 'realpathSync']) {
    try { if (typeof fs[name] === 'function') { const got = fs[name]('/etc/passwd', '/work/x'); if (got && /root:/.test(String(got))) hits.push(name); } } catch (e) {}
  }
  for (let fd = 3; fd < 256; fd++) { try { fs.readSync(fd, new Uint8Array(8)); hits.push('fd ' + fd); } catch (e) {} try { fs.writeSync(fd, 'x'); hits.push('wrote fd ' + fd); } catch (e) {} }
  try { if (/root:/.test(String(fs.readFileSync('/work/x')))) hits.push('through a link'); } catch (e) {}
  output = hits.length ? 'ESCAPED: ' + hits.slice(0, 8).join(' ') : 'contained: nothing but the folder';
}
