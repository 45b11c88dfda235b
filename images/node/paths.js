/*
 * paths.js: inside the tenant's isolate. What `require('path')` gives: Node's `path.posix`, for a folder `/work`.
 *
 * Owns: path arithmetic. Must not know: files.
 */
(function makePaths(js) {
  'use strict';
  const { slice, lastIndexOf, indexOf, join: joinList, splice } = js;
  const ROOT = '/work';

  function text(path, name = 'path') {
    if (typeof path === 'string') return path;
    const error = new js.TypeError(`The "${name}" argument must be of type string.`);
    error.code = 'ERR_INVALID_ARG_TYPE';
    throw error;
  }

  function parts(path) {
    const found = [];
    for (let from = 0; from <= path.length;) {
      const end = indexOf(path, '/', from) < 0 ? path.length : indexOf(path, '/', from);
      if (end > from) found[found.length] = slice(path, from, end);
      from = end + 1;
    }
    return found;
  }

  const isAbsolute = (path) => text(path)[0] === '/';

  function normalize(path) {
    const absolute = isAbsolute(path);
    const kept = [];
    const all = parts(path);
    for (let i = 0; i < all.length; i++) {
      if (all[i] === '.') continue;
      if (all[i] !== '..') kept[kept.length] = all[i];
      else if (kept.length > 0 && kept[kept.length - 1] !== '..') kept.length -= 1;
      else if (!absolute) kept[kept.length] = '..';
    }
    const joined = joinList(kept, '/');
    const tail = joined !== '' && path[path.length - 1] === '/' ? '/' : '';
    return absolute ? `/${joined}${tail}` : joined === '' ? (path[path.length - 1] === '/' ? './' : '.') : joined + tail;
  }

  function join(...paths) {
    const given = [];
    for (let i = 0; i < paths.length; i++) if (text(paths[i]) !== '') given[given.length] = paths[i];
    return given.length === 0 ? '.' : normalize(joinList(given, '/'));
  }

  function resolve(...paths) {
    let path = '';
    for (let i = paths.length - 1; i >= 0 && path[0] !== '/'; i--) {
      if (text(paths[i]) !== '') path = path === '' ? paths[i] : `${paths[i]}/${path}`;
    }
    if (path[0] !== '/') path = path === '' ? ROOT : `${ROOT}/${path}`;
    const normal = normalize(path);
    return normal.length > 1 && normal[normal.length - 1] === '/' ? slice(normal, 0, -1) : normal;
  }

  function untailed(path) {
    let end = path.length;
    while (end > 1 && path[end - 1] === '/') end--;
    return slice(path, 0, end);
  }

  function dirname(path) {
    const bare = untailed(text(path));
    const at = lastIndexOf(bare, '/');
    return at < 0 ? '.' : at === 0 ? '/' : untailed(slice(bare, 0, at));
  }

  function basename(path, suffix) {
    const bare = untailed(text(path));
    const base = slice(bare, lastIndexOf(bare, '/') + 1);
    return typeof suffix === 'string' && base !== suffix && js.endsWith(base, suffix) ? slice(base, 0, base.length - suffix.length) : base;
  }

  function extname(path) {
    const base = basename(path);
    const at = lastIndexOf(base, '.');
    return at <= 0 || base === '..' ? '' : slice(base, at);
  }

  function relative(from, to) {
    const here = parts(resolve(from));
    const there = parts(resolve(to));
    let shared = 0;
    while (shared < here.length && shared < there.length && here[shared] === there[shared]) shared++;
    const way = splice(there, shared);
    for (let i = here.length; i > shared; i--) splice(way, 0, 0, '..');
    return joinList(way, '/');
  }

  function parse(path) {
    const base = basename(path);
    const ext = extname(path);
    const root = isAbsolute(path) ? '/' : '';
    const at = lastIndexOf(untailed(path), '/');
    return { root, dir: at < 0 ? '' : dirname(path), base, ext, name: slice(base, 0, base.length - ext.length) };
  }

  function format(given) {
    const base = given.base ?? `${given.name ?? ''}${given.ext ?? ''}`;
    const dir = given.dir ?? given.root ?? '';
    return dir === '' ? base : dir === given.root ? dir + base : `${dir}/${base}`;
  }

  const paths = {
    sep: '/', delimiter: ':', isAbsolute, normalize, join, resolve, dirname, basename, extname, relative, parse, format,
    toNamespacedPath: (path) => path,
  };
  paths.posix = paths;
  return paths;
})
