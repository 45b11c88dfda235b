/*
 * files.js: inside the tenant's isolate. What `require('fs')` gives: a folder tree in this isolate's own memory.
 *
 * Owns: the tree, its limits (bytes, number of files), the descriptor table and the errors, named as Node names them.
 * Must not know: the real file system. There is no way from here to it.
 */
(function makeFiles(js, text, paths, io) {
  'use strict';
  const { Uint8Array, bytesLength, bytesSet, bytesSlice } = js;
  const MAX_FILES = 4096;
  const MAX_DESCRIPTORS = 256;
  const O = {
    __proto__: null, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2, O_CREAT: 64, O_EXCL: 128, O_TRUNC: 512, O_APPEND: 1024,
  };
  const FLAGS = {
    __proto__: null, r: 0, rs: 0, 'r+': 2, 'rs+': 2, w: 577, wx: 705, 'w+': 578, 'wx+': 706, a: 1089, ax: 1217, 'a+': 1090, 'ax+': 1218,
  };

  const MESSAGES = {
    __proto__: null,
    ENOENT: 'no such file or directory', EEXIST: 'file already exists', EISDIR: 'illegal operation on a directory',
    ENOTDIR: 'not a directory', ENOTEMPTY: 'directory not empty', ENOSPC: 'no space left on device',
    EBADF: 'bad file descriptor', EMFILE: 'too many open files', EINVAL: 'invalid argument', EPERM: 'operation not permitted',
  };

  function fault(code, syscall, path, other) {
    const where = path === undefined ? '' : ` '${path}'`;
    const error = new js.Error(`${code}: ${MESSAGES[code]}, ${syscall}${where}${other === undefined ? '' : ` -> '${other}'`}`);
    error.code = code;
    error.syscall = syscall;
    if (path !== undefined) error.path = path;
    if (other !== undefined) error.dest = other;
    return error;
  }

  function badArgument(message, code = 'ERR_INVALID_ARG_TYPE') {
    const error = new js.TypeError(message);
    error.code = code;
    return error;
  }

  // ── Bytes and encodings ─────────────────────────────────────────────────────────────────────────────────────────
  /** What reading without an encoding gives: a Uint8Array whose toString() decodes, like Node's Buffer. */
  class Bytes extends Uint8Array {
    toString(encoding, start = 0, end = bytesLength(this)) { return decode(bytesSlice(this, start, end), encoding); }
  }

  function decode(bytes, encoding = 'utf8') {
    switch (js.toLowerCase(js.toText(encoding))) {
      case 'utf8': case 'utf-8': return text.decodeUtf8(bytes);
      case 'latin1': case 'binary': case 'ascii': return eachByte(bytes, (byte) => js.fromCharCode(byte));
      case 'hex': return eachByte(bytes, (byte) => js.padStart(js.numberText(byte, 16), 2, '0'));
      case 'base64': return text.encodeBase64(bytesLength(bytes), (i) => bytes[i]);
      default: throw badArgument(`Unknown encoding: ${js.toText(encoding)}`, 'ERR_UNKNOWN_ENCODING');
    }
  }

  function eachByte(bytes, show) {
    let shown = '';
    for (let i = 0; i < bytesLength(bytes); i++) shown += show(bytes[i]);
    return shown;
  }

  function encode(value, encoding = 'utf8') {
    switch (js.toLowerCase(js.toText(encoding))) {
      case 'utf8': case 'utf-8': return text.encodeUtf8(value);
      case 'latin1': case 'binary': case 'ascii': return byteList(value.length, (i) => js.charCodeAt(value, i));
      case 'hex': return byteList(value.length >> 1, (i) => js.parseInt(js.slice(value, i * 2, i * 2 + 2), 16));
      case 'base64': {
        const found = [];
        text.decodeBase64(value, (byte) => { found[found.length] = byte; });
        return byteList(found.length, (i) => found[i]);
      }
      default: throw badArgument(`Unknown encoding: ${js.toText(encoding)}`, 'ERR_UNKNOWN_ENCODING');
    }
  }

  function byteList(length, byteAt) {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = byteAt(i);
    return bytes;
  }

  /** The bytes of whatever may be written: a text, or a view on bytes. */
  function bytesOf(data, encoding) {
    if (typeof data === 'string') return encode(data, encoding);
    if (js.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw badArgument('The "data" argument must be of type string or a TypedArray.');
  }

  function given(options, name) {
    return typeof options === 'string' ? (name === 'encoding' ? options : undefined) : options?.[name] ?? undefined;
  }

  // ── The tree ────────────────────────────────────────────────────────────────────────────────────────────────────
  const tree = new js.Map(); // absolute path -> node
  let used = 0;

  function newNode(directory) {
    return { __proto__: null, directory, bytes: new Uint8Array(0), size: 0, changed: js.now() };
  }

  function absolute(path) {
    const name = typeof path === 'string' ? path : js.isView(path) ? text.decodeUtf8(bytesOf(path)) : undefined;
    if (name === undefined) throw badArgument('The "path" argument must be of type string.');
    if (js.includes(name, '\0')) throw badArgument('The "path" argument must not contain null bytes.', 'ERR_INVALID_ARG_VALUE');
    return paths.resolve(name);
  }

  const nodeAt = (path) => js.mapGet(tree, path);

  function existing(path, syscall) {
    const node = nodeAt(absolute(path));
    if (node === undefined) throw fault('ENOENT', syscall, path);
    return node;
  }

  function add(path, node, syscall) {
    const parent = nodeAt(paths.dirname(path));
    if (parent === undefined) throw fault('ENOENT', syscall, path);
    if (!parent.directory) throw fault('ENOTDIR', syscall, path);
    if (js.mapSize(tree) >= MAX_FILES) throw fault('ENOSPC', syscall, path);
    js.mapSet(tree, path, node);
    return node;
  }

  function drop(path, node) {
    js.mapDelete(tree, path);
    used -= node.size;
    node.dropped = true;
  }

  function childrenOf(path) {
    const prefix = path === '/' ? '/' : `${path}/`;
    const names = [];
    js.mapEach(tree, (node, at) => {
      if (at === '/' || !js.startsWith(at, prefix)) return;
      const name = js.slice(at, prefix.length);
      if (!js.includes(name, '/')) names[names.length] = name;
    });
    return js.sort(names);
  }

  function resize(node, size, syscall) {
    if (!node.dropped && used + size - node.size > io.diskBytes) throw fault('ENOSPC', syscall);
    if (!(size >= 0 && size <= 2 ** 31)) throw fault('EINVAL', syscall);
    if (size > bytesLength(node.bytes)) {
      const larger = new Uint8Array(node.size === 0 ? size : js.max(size, js.min(node.size * 2, io.diskBytes)));
      bytesSet(larger, bytesSlice(node.bytes, 0, node.size));
      node.bytes = larger;
    } else {
      for (let i = size; i < node.size; i++) node.bytes[i] = 0;
    }
    if (!node.dropped) used += size - node.size;
    node.size = size;
    node.changed = js.now();
  }

  function writeAt(node, data, position, syscall) {
    const end = position + bytesLength(data);
    if (end > node.size) resize(node, end, syscall);
    bytesSet(node.bytes, data, position);
    node.changed = js.now();
  }

  function copyBytes(node, from = 0, end = node.size) {
    const copy = new Bytes(js.max(end - from, 0));
    bytesSet(copy, bytesSlice(node.bytes, from, js.max(end, from)));
    return copy;
  }

  // ── Descriptors ─────────────────────────────────────────────────────────────────────────────────────────────────
  const descriptors = new js.Map();
  const STANDARD = { __proto__: null, '/dev/stdin': 0, '/dev/stdout': 1, '/dev/stderr': 2 };
  const stdin = newNode(false);
  stdin.dropped = true; // its bytes are not part of the folder
  js.mapSet(descriptors, 0, { __proto__: null, node: stdin, position: 0, reads: true, writes: false, appends: false, stream: null });
  js.mapSet(descriptors, 1, { __proto__: null, node: null, position: 0, reads: false, writes: true, appends: true, stream: 'stdout' });
  js.mapSet(descriptors, 2, { __proto__: null, node: null, position: 0, reads: false, writes: true, appends: true, stream: 'stderr' });

  let stdinText = io.stdin; // turned into bytes only when asked for
  function loadStdin() {
    if (stdinText === null) return;
    stdin.bytes = text.encodeUtf8(stdinText);
    stdin.size = bytesLength(stdin.bytes);
    stdinText = null;
  }

  function opened(fd, syscall) {
    const descriptor = js.mapGet(descriptors, fd);
    if (descriptor === undefined) throw fault('EBADF', syscall);
    if (descriptor.node === stdin) loadStdin();
    return descriptor;
  }

  function flagsOf(flag, path) {
    if (typeof flag === 'number') return flag;
    const flags = FLAGS[flag];
    if (flags === undefined) throw badArgument(`The argument 'flags' is invalid for '${js.toText(path)}'`, 'ERR_INVALID_ARG_VALUE');
    return flags;
  }

  function openNode(path, flags) {
    const at = absolute(path);
    const node = nodeAt(at);
    if (node === undefined) {
      if ((flags & O.O_CREAT) === 0) throw fault('ENOENT', 'open', path);
      return add(at, newNode(false), 'open');
    }
    if ((flags & O.O_CREAT) !== 0 && (flags & O.O_EXCL) !== 0) throw fault('EEXIST', 'open', path);
    if (node.directory && (flags & 3) !== 0) throw fault('EISDIR', 'open', path);
    if ((flags & O.O_TRUNC) !== 0) resize(node, 0, 'open');
    return node;
  }

  function openSync(path, flag = 'r') {
    const flags = flagsOf(flag, path);
    const standard = typeof path === 'string' ? STANDARD[path] : undefined;
    let fd = 3;
    while (js.mapHas(descriptors, fd)) fd++;
    if (fd >= MAX_DESCRIPTORS) throw fault('EMFILE', 'open', path);
    const access = flags & 3;
    js.mapSet(descriptors, fd, standard !== undefined ? opened(standard, 'open') : {
      __proto__: null, node: openNode(path, flags), position: 0, reads: access !== 1, writes: access !== 0,
      appends: (flags & O.O_APPEND) !== 0, stream: null,
    });
    return fd;
  }

  function closeSync(fd) {
    opened(fd, 'close');
    js.mapDelete(descriptors, fd);
  }

  function readSync(fd, buffer, offsetOrOptions, length, position) {
    const isOptions = typeof offsetOrOptions === 'object' && offsetOrOptions !== null;
    const offset = (isOptions ? offsetOrOptions.offset : offsetOrOptions) ?? 0;
    const wanted = (isOptions ? offsetOrOptions.length : length) ?? buffer.byteLength - offset;
    const from = isOptions ? offsetOrOptions.position : position;
    const descriptor = opened(fd, 'read');
    if (!descriptor.reads) throw fault('EBADF', 'read');
    if (descriptor.node.directory) throw fault('EISDIR', 'read');
    const begin = typeof from === 'number' && from >= 0 ? from : descriptor.position;
    const end = js.min(descriptor.node.size, begin + wanted);
    const count = js.max(end - begin, 0);
    bytesSet(bytesOf(buffer), bytesSlice(descriptor.node.bytes, begin, begin + count), offset);
    if (begin === descriptor.position) descriptor.position += count;
    return count;
  }

  function writeTo(fd, data, position, syscall) {
    const descriptor = opened(fd, syscall);
    if (!descriptor.writes) throw fault('EBADF', syscall);
    if (descriptor.stream !== null) { io.emit(descriptor.stream, text.decodeUtf8(data)); return; }
    const begin = descriptor.appends ? descriptor.node.size : typeof position === 'number' ? position : descriptor.position;
    writeAt(descriptor.node, data, begin, syscall);
    if (typeof position !== 'number') descriptor.position = begin + bytesLength(data);
  }

  function writeSync(fd, data, second, third, fourth) {
    if (typeof data === 'string') {
      const bytes = encode(data, typeof third === 'string' ? third : 'utf8');
      writeTo(fd, bytes, second, 'write');
      return bytesLength(bytes);
    }
    const all = bytesOf(data);
    const offset = second ?? 0;
    const part = bytesSlice(all, offset, offset + (third ?? bytesLength(all) - offset));
    writeTo(fd, part, fourth, 'write');
    return bytesLength(part);
  }

  // ── Whole files ─────────────────────────────────────────────────────────────────────────────────────────────────
  function readFileSync(path, options) {
    const encoding = given(options, 'encoding');
    const fd = typeof path === 'number' ? path : STANDARD[path];
    if (fd === 0 && stdinText !== null && (encoding === 'utf8' || encoding === 'utf-8')) {
      const whole = stdinText; // the usual way to read it all: no bytes needed
      stdinText = '';
      return whole;
    }
    const node = fd === undefined ? openNode(path, flagsOf(given(options, 'flag') ?? 'r', path)) : readable(fd);
    if (node.directory) throw fault('EISDIR', 'read');
    const from = fd === undefined ? 0 : opened(fd, 'read').position;
    if (fd !== undefined) opened(fd, 'read').position = node.size;
    const bytes = copyBytes(node, from);
    return encoding === undefined || encoding === 'buffer' ? bytes : decode(bytes, encoding);
  }

  function readable(fd) {
    const descriptor = opened(fd, 'read');
    if (!descriptor.reads) throw fault('EBADF', 'read');
    return descriptor.node;
  }

  function writeFileSync(path, data, options) { writeWhole(path, data, options, 'w'); }
  function appendFileSync(path, data, options) { writeWhole(path, data, options, 'a'); }

  function writeWhole(path, data, options, flag) {
    const bytes = bytesOf(data, given(options, 'encoding') ?? 'utf8');
    const fd = typeof path === 'number' ? path : STANDARD[path];
    if (fd !== undefined) { writeTo(fd, bytes, undefined, 'write'); return; }
    const flags = flagsOf(given(options, 'flag') ?? flag, path);
    const node = openNode(path, flags);
    writeAt(node, bytes, (flags & O.O_APPEND) !== 0 ? node.size : 0, 'write');
  }

  function truncateSync(path, size = 0) { resize(openNode(path, 2), size, 'ftruncate'); }
  function ftruncateSync(fd, size = 0) {
    const descriptor = opened(fd, 'ftruncate');
    if (!descriptor.writes || descriptor.node === null) throw fault('EINVAL', 'ftruncate');
    resize(descriptor.node, size, 'ftruncate');
  }

  function copyFileSync(from, to, mode = 0) {
    const source = existing(from, 'copyfile');
    if (source.directory) throw fault('EISDIR', 'copyfile', from, to);
    const bytes = copyBytes(source);
    const target = openNode(to, (mode & 1) !== 0 ? 705 : 577);
    writeAt(target, bytes, 0, 'copyfile');
  }

  // ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────
  function existsSync(path) {
    try { return nodeAt(absolute(path)) !== undefined; } catch { return false; }
  }

  function accessSync(path) { existing(path, 'access'); }
  function realpathSync(path) { existing(path, 'realpath'); return absolute(path); }

  class Stats {
    constructor(node) {
      this.size = node.size;
      this.mode = node.directory ? 0o40755 : 0o100644;
      this.mtimeMs = node.changed;
      this.nlink = 1;
      js.defineProperty(this, 'directory', { __proto__: null, value: node.directory });
    }
    isDirectory() { return this.directory; }
    isFile() { return !this.directory; }
    isSymbolicLink() { return false; }
    isSocket() { return false; }
    isFIFO() { return false; }
    isBlockDevice() { return false; }
    isCharacterDevice() { return false; }
  }

  class Dirent extends Stats {
    constructor(name, parentPath, node) {
      super(node);
      this.name = name;
      this.parentPath = parentPath;
      this.path = parentPath;
    }
  }

  function statSync(path, options) {
    if (options?.throwIfNoEntry === false && nodeAt(absolute(path)) === undefined) return undefined;
    return new Stats(existing(path, 'stat'));
  }

  function fstatSync(fd) { return new Stats(opened(fd, 'fstat').node ?? newNode(false)); }

  function readdirSync(path, options) {
    if (!existing(path, 'scandir').directory) throw fault('ENOTDIR', 'scandir', path);
    const at = absolute(path);
    const names = childrenOf(at);
    if (given(options, 'withFileTypes') !== true) return names;
    for (let i = 0; i < names.length; i++) names[i] = new Dirent(names[i], at, nodeAt(paths.join(at, names[i])));
    return names;
  }

  function mkdirSync(path, options) {
    const at = absolute(path);
    const recursive = given(options, 'recursive') === true;
    const node = nodeAt(at);
    if (node !== undefined) {
      if (recursive && node.directory) return undefined;
      throw fault('EEXIST', 'mkdir', path);
    }
    const parent = paths.dirname(at);
    const first = recursive && nodeAt(parent) === undefined ? mkdirSync(parent, options) : undefined;
    add(at, newNode(true), 'mkdir');
    return recursive ? first ?? at : undefined;
  }

  let serial = 0;
  function mkdtempSync(prefix) {
    const path = `${js.toText(prefix)}${js.padStart(js.numberText(serial++, 36), 6, '0')}`;
    mkdirSync(path);
    return path;
  }

  function unlinkSync(path) {
    const node = existing(path, 'unlink');
    if (node.directory) throw fault('EISDIR', 'unlink', path);
    drop(absolute(path), node);
  }

  function rmdirSync(path, options) {
    const node = existing(path, 'rmdir');
    if (!node.directory) throw fault('ENOTDIR', 'rmdir', path);
    removeFolder(absolute(path), node, given(options, 'recursive') === true, path);
  }

  function removeFolder(at, node, recursive, shown) {
    const names = childrenOf(at);
    if (at === '/' || at === paths.resolve('')) throw fault('EPERM', 'rmdir', shown);
    if (names.length > 0 && !recursive) throw fault('ENOTEMPTY', 'rmdir', shown);
    for (let i = 0; i < names.length; i++) {
      const child = paths.join(at, names[i]);
      if (nodeAt(child).directory) removeFolder(child, nodeAt(child), true, shown);
      else drop(child, nodeAt(child));
    }
    drop(at, node);
  }

  function rmSync(path, options) {
    const node = nodeAt(absolute(path));
    if (node === undefined) {
      if (given(options, 'force') === true) return;
      throw fault('ENOENT', 'rm', path);
    }
    if (!node.directory) { drop(absolute(path), node); return; }
    if (given(options, 'recursive') !== true) throw fault('EISDIR', 'rm', path);
    removeFolder(absolute(path), node, true, path);
  }

  function renameSync(from, to) {
    const source = absolute(from);
    const target = absolute(to);
    const node = existing(from, 'rename');
    if (node.directory) throw fault('EPERM', 'rename', from, to); // folders stay where they are made
    if (source === target) return;
    const old = nodeAt(target);
    if (old !== undefined && old.directory) throw fault('EISDIR', 'rename', from, to);
    if (old !== undefined) drop(target, old);
    js.mapDelete(tree, source);
    add(target, node, 'rename');
  }

  // ── The module ──────────────────────────────────────────────────────────────────────────────────────────────────
  const synchronous = {
    __proto__: null, access: accessSync, appendFile: appendFileSync, close: closeSync, copyFile: copyFileSync, fstat: fstatSync,
    ftruncate: ftruncateSync, lstat: statSync, mkdir: mkdirSync, mkdtemp: mkdtempSync, open: openSync, read: readSync,
    readFile: readFileSync, readdir: readdirSync, realpath: realpathSync, rename: renameSync, rm: rmSync, rmdir: rmdirSync,
    stat: statSync, truncate: truncateSync, unlink: unlinkSync, write: writeSync, writeFile: writeFileSync,
  };

  function withCallback(work) {
    return (...args) => {
      const callback = args[args.length - 1];
      if (typeof callback !== 'function') throw badArgument('The "cb" argument must be of type function.');
      args.length -= 1;
      let error = null;
      let value;
      try { value = js.apply(work, undefined, args); } catch (thrown) { error = thrown; }
      io.later(() => { if (error === null) callback(null, value); else callback(error); });
    };
  }

  const descriptorBound = { __proto__: null, close: true, fstat: true, ftruncate: true, open: true, read: true, write: true };
  const fs = { existsSync, constants: { F_OK: 0, R_OK: 4, W_OK: 2, X_OK: 1, COPYFILE_EXCL: 1, ...O }, promises: {} };
  const names = js.keysOf(synchronous);
  for (let i = 0; i < names.length; i++) {
    const work = synchronous[names[i]];
    fs[`${names[i]}Sync`] = work;
    fs[names[i]] = withCallback(work);
    if (descriptorBound[names[i]] !== true) fs.promises[names[i]] = async (...args) => js.apply(work, undefined, args);
  }

  js.mapSet(tree, '/', newNode(true));
  add('/tmp', newNode(true), 'mkdir');
  add('/work', newNode(true), 'mkdir');
  const initial = js.keysOf(io.files);
  for (let i = 0; i < initial.length; i++) writeFileSync(paths.join('/work', initial[i]), io.files[initial[i]]);

  /** The regular files directly in the work folder: at most `maxFiles`, at most `maxBytes` together. */
  function leftOver(maxFiles, maxBytes) {
    const left = { __proto__: null };
    const found = childrenOf('/work');
    let room = maxBytes;
    let count = 0;
    for (let i = 0; i < found.length && count < maxFiles; i++) {
      const node = nodeAt(`/work/${found[i]}`);
      if (node.directory || node.size > room) continue;
      room -= node.size;
      count += 1;
      left[found[i]] = copyBytes(node);
    }
    return left;
  }

  return { __proto__: null, fs, leftOver, bytesOf, decode, Bytes };
})
