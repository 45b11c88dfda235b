/*
 * console.js: inside the tenant's isolate. The `console` object.
 *
 * Owns: console's methods, its groups, counters and timers, and the %-formats.
 * Must not know: how a text travels; it is given `emit(streamName, text)`.
 */
(function makeConsole(js, inspect, emit) {
  'use strict';
  const { slice, indexOf } = js;
  let indentation = '';
  const counts = new js.Map();
  const timers = new js.Map();

  /** Hostile values (proxies, getters that throw) are their author's business, but logging never throws. */
  function safely(show, value) {
    try { return show(value); } catch { return '[cannot be shown]'; }
  }

  const shown = (value) => (typeof value === 'string' ? value : safely(inspect, value));

  function asNumber(value, parse) {
    if (typeof value === 'bigint') return `${js.bigintText(value)}n`;
    if (typeof value === 'symbol') return 'NaN';
    const number = parse(value);
    return number === 0 && 1 / number < 0 ? '-0' : js.toText(number);
  }

  function formatted(directive, value) {
    switch (directive) {
      case 's': return typeof value === 'string' ? value : typeof value === 'object' ? safely((v) => inspect(v, 0), value) : shown(value);
      case 'd': return safely((v) => asNumber(v, js.toNumber), value);
      case 'i': return safely((v) => asNumber(v, js.parseInt), value);
      case 'f': return safely((v) => asNumber(v, js.parseFloat), value);
      case 'j': return safely((v) => js.toText(js.stringify(v)), value);
      case 'o': return safely((v) => inspect(v, 4), value);
      case 'O': return safely(inspect, value);
      case 'c': return '';
      default: return null;
    }
  }

  /** The arguments of a console call as one text, `%` directives filled in. */
  function format(args, from = 0) {
    let line = '';
    let next = from;
    if (typeof args[from] === 'string') {
      const filled = fill(args[from], args, from + 1);
      line = filled.line;
      next = filled.next;
    } else if (args.length > from) {
      line = shown(args[from]);
      next = from + 1;
    }
    for (; next < args.length; next++) line += ` ${shown(args[next])}`;
    return line;
  }

  function fill(template, args, first) {
    let next = first;
    let line = '';
    let from = 0;
    if (args.length === first) return { __proto__: null, line: template, next };
    for (let at = indexOf(template, '%'); at >= 0 && at + 1 < template.length; at = indexOf(template, '%', at)) {
      const directive = template[at + 1];
      const value = directive === '%' ? '%' : next < args.length ? formatted(directive, args[next]) : null;
      if (value !== null) {
        if (directive !== '%') next++;
        line += slice(template, from, at) + value;
        from = at + 2;
        at = from;
      } else {
        at += 1;
      }
    }
    return { __proto__: null, line: line + slice(template, from), next };
  }

  function indented(line) {
    if (indentation === '') return `${line}\n`;
    let result = indentation;
    let from = 0;
    for (let at = indexOf(line, '\n'); at >= 0; at = indexOf(line, '\n', from)) {
      result += slice(line, from, at + 1) + indentation;
      from = at + 1;
    }
    return `${result}${slice(line, from)}\n`;
  }

  const out = (line) => emit('stdout', indented(line));
  const err = (line) => emit('stderr', indented(line));
  const labelOf = (label) => (label === undefined ? 'default' : safely(js.toText, label));

  function elapsed(label) {
    const started = js.mapGet(timers, label);
    if (started === undefined) { err(`Warning: No such label '${label}' for console.timeEnd()`); return null; }
    const milliseconds = js.now() - started;
    return milliseconds < 1000 ? `${label}: ${milliseconds}ms` : `${label}: ${milliseconds / 1000}s`;
  }

  // ── console.table ───────────────────────────────────────────────────────────────────────────────────────────────
  function tableRows(data, only) {
    const columns = [];
    const rows = [];
    const keys = js.keysOf(data);
    for (let i = 0; i < keys.length && i < 1000; i++) {
      const item = data[keys[i]];
      const cells = new js.Map();
      if (typeof item === 'object' && item !== null) {
        const names = only ?? js.keysOf(item);
        for (let k = 0; k < names.length && k < 50; k++) setCell(cells, columns, names[k], inspect(item[names[k]], 0));
      } else {
        setCell(cells, columns, 'Values', inspect(item, 0));
      }
      rows[rows.length] = { __proto__: null, key: keys[i], cells };
    }
    return { __proto__: null, columns, rows };
  }

  function setCell(cells, columns, name, value) {
    js.mapSet(cells, name, value);
    for (let i = 0; i < columns.length; i++) if (columns[i] === name) return;
    if (name === 'Values' || columns[columns.length - 1] !== 'Values') columns[columns.length] = name;
    else js.splice(columns, columns.length - 1, 0, name);
  }

  function drawTable(data, only) {
    const { columns, rows } = tableRows(data, only);
    const lines = [['(index)']];
    for (let c = 0; c < columns.length; c++) lines[0][c + 1] = js.toText(columns[c]);
    for (let r = 0; r < rows.length; r++) {
      const line = [rows[r].key];
      for (let c = 0; c < columns.length; c++) line[c + 1] = js.mapGet(rows[r].cells, columns[c]) ?? '';
      lines[lines.length] = line;
    }
    return boxed(lines);
  }

  function boxed(lines) {
    const widths = [];
    for (let c = 0; c < lines[0].length; c++) {
      widths[c] = 0;
      for (let r = 0; r < lines.length; r++) widths[c] = js.max(widths[c], lines[r][c].length);
    }
    const rule = (left, middle, right) => {
      let line = left;
      for (let c = 0; c < widths.length; c++) line += js.repeat('─', widths[c] + 2) + (c + 1 < widths.length ? middle : right);
      return line;
    };
    const row = (cells) => {
      let line = '│';
      for (let c = 0; c < widths.length; c++) line += ` ${js.padEnd(cells[c], widths[c], ' ')} │`;
      return line;
    };
    let drawn = `${rule('┌', '┬', '┐')}\n${row(lines[0])}\n${rule('├', '┼', '┤')}\n`;
    for (let r = 1; r < lines.length; r++) drawn += `${row(lines[r])}\n`;
    return drawn + rule('└', '┴', '┘');
  }

  const methods = {
    log(...args) { out(format(args)); },
    info(...args) { out(format(args)); },
    debug(...args) { out(format(args)); },
    warn(...args) { err(format(args)); },
    error(...args) { err(format(args)); },
    trace(...args) {
      const said = format(args);
      err(`Trace${said === '' ? '' : `: ${said}`}${safely((error) => slice(inspect(error), 5), new js.Error())}`);
    },
    dir(value, options) {
      const depth = options?.depth;
      out(safely((v) => inspect(v, depth === null ? 50 : typeof depth === 'number' ? js.min(depth, 50) : undefined), value));
    },
    table(data, only) {
      if (typeof data !== 'object' || data === null) { out(shown(data)); return; }
      out(safely((v) => drawTable(v, js.isArray(only) ? only : null), data));
    },
    assert(condition, ...args) {
      if (!condition) err(`Assertion failed${args.length === 0 ? '' : `: ${format(args)}`}`);
    },
    count(label) {
      const name = labelOf(label);
      const number = (js.mapGet(counts, name) ?? 0) + 1;
      js.mapSet(counts, name, number);
      out(`${name}: ${number}`);
    },
    countReset(label) { js.mapDelete(counts, labelOf(label)); },
    time(label) { js.mapSet(timers, labelOf(label), js.now()); },
    timeLog(label, ...args) {
      const line = elapsed(labelOf(label));
      if (line !== null) out(args.length === 0 ? line : `${line} ${format(args)}`);
    },
    timeEnd(label) {
      const line = elapsed(labelOf(label));
      if (line !== null) out(line);
      js.mapDelete(timers, labelOf(label));
    },
    group(...args) {
      if (args.length > 0) out(format(args));
      if (indentation.length < 100) indentation += '  ';
    },
    groupEnd() { indentation = slice(indentation, 2); },
  };
  methods.groupCollapsed = methods.group;
  methods.dirxml = methods.log;
  return methods;
})
