/*
 * inspect.js: inside the tenant's isolate. How a value is shown to a person.
 *
 * Owns: the text that a logged value becomes, close to Node's `util.inspect`, always bounded.
 * Must not know: where the text goes.
 */
(function makeInspect(js, text) {
  'use strict';
  const { slice, join, repeat, keysOf, isArray, getPrototypeOf, getOwnPropertyDescriptor } = js;
  const { Number, String, Boolean, BigInt, Symbol, RegExp, Promise, WeakMap, WeakSet, WeakRef } = globalThis;
  const toStringTag = Symbol.toStringTag;
  const MAX_DEPTH = 2;
  const MAX_ITEMS = 100;
  const MAX_STRING = 10_000;
  const MAX_CHARACTERS = 262_144; // of one logged value; the rest shows as …
  const LINE = 80;
  const INNER_LEVELS = 3; // an object with at most this many levels inside may stay on one line
  const PLAIN_KEY = /^[a-zA-Z_][a-zA-Z_0-9]*$/;
  const ESCAPED = /[\x00-\x1f'\\\x7f-\x9f]/;

  function newState(depth) {
    return { __proto__: null, maxDepth: depth, indent: 0, reached: 0, budget: MAX_CHARACTERS, chain: [], circular: [] };
  }

  // ── Primitives ──────────────────────────────────────────────────────────────────────────────────────────────────
  function quote(value) {
    let mark = "'";
    if (js.includes(value, "'")) mark = !js.includes(value, '"') ? '"' : !js.includes(value, '`') ? '`' : "'";
    if (js.match(ESCAPED, value) === null && js.isWellFormed(value)) return mark + value + mark;
    let shown = '';
    for (let i = 0; i < value.length; i++) shown += quotedUnit(value, i, mark);
    return mark + shown + mark;
  }

  const NAMED = { __proto__: null, '\n': '\\n', '\t': '\\t', '\r': '\\r', '\b': '\\b', '\f': '\\f', '\v': '\\v', '\\': '\\\\' };
  function quotedUnit(value, i, mark) {
    const character = value[i];
    const unit = js.charCodeAt(character, 0);
    if (character === mark) return `\\${mark}`;
    if (NAMED[character] !== undefined) return NAMED[character];
    if (unit < 32 || (unit > 126 && unit < 160)) return `\\x${js.padStart(js.numberText(unit, 16), 2, '0')}`;
    return character;
  }

  function showString(value) {
    const more = value.length - MAX_STRING;
    if (more <= 0) return quote(value);
    return `${quote(slice(value, 0, MAX_STRING))}... ${more} more character${more === 1 ? '' : 's'}`;
  }

  const showNumber = (value) => (value === 0 && 1 / value < 0 ? '-0' : `${value}`);

  function showPrimitive(value) {
    switch (typeof value) {
      case 'string': return showString(value);
      case 'number': return showNumber(value);
      case 'bigint': return `${js.bigintText(value)}n`;
      case 'symbol': return js.symbolText(value);
      default: return `${value}`;
    }
  }

  // ── Objects ─────────────────────────────────────────────────────────────────────────────────────────────────────
  function classNameOf(value) {
    for (let at = value; at !== null; at = getPrototypeOf(at)) {
      const own = getOwnPropertyDescriptor(at, 'constructor');
      if (own !== undefined && typeof own.value === 'function') {
        const name = getOwnPropertyDescriptor(own.value, 'name');
        if (name !== undefined && typeof name.value === 'string' && name.value !== '') return name.value;
      }
    }
    return null;
  }

  /** The built-in kind of `value` by its prototypes: [name, how to show it], or undefined. */
  function builtinOf(value) {
    for (let at = getPrototypeOf(value); at !== null; at = getPrototypeOf(at)) {
      const found = js.mapGet(builtins, at);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  function show(value, state, level) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return showPrimitive(value);
    if (state.budget <= 0) return '…';
    for (let i = 0; i < level && i < state.chain.length; i++) {
      if (state.chain[i] === value) return `[Circular *${circularNumber(state, value)}]`;
    }
    const shown = showObject(value, state, level);
    state.budget -= shown.length;
    return shown;
  }

  function circularNumber(state, value) {
    for (let i = 0; i < state.circular.length; i++) if (state.circular[i] === value) return i + 1;
    state.circular[state.circular.length] = value;
    return state.circular.length;
  }

  function showObject(value, state, level) {
    const planned = planOf(value, state);
    const keys = extraKeys(value, planned);
    if (keys.length === 0 && isEmpty(value, planned)) return planned.base === '' ? `${planned.open}${planned.close}` : planned.base;
    if (level > state.maxDepth) return `[${planned.name}]`;
    const output = [];
    state.chain[level] = value;
    state.reached = level;
    state.indent += 2;
    if (planned.entries !== null) planned.entries(value, state, level, output);
    for (let i = 0; i < keys.length; i++) output[output.length] = property(value, keys[i], state, level);
    state.indent -= 2;
    state.chain.length = level;
    let reference = '';
    for (let i = 0; i < state.circular.length; i++) if (state.circular[i] === value) reference = `<ref *${i + 1}> `;
    return reference + layOut(output, planned, state, level, value);
  }

  function isEmpty(value, planned) {
    const { entries } = planned;
    return entries === null || (entries === arrayEntries && value.length === 0)
      || (entries === mapEntries && js.mapSize(value) === 0) || (entries === setEntries && js.setSize(value) === 0);
  }

  function plan(name, prefix, open, close, entries, base) {
    return { __proto__: null, name, open: prefix === '' ? open : `${prefix} ${open}`, close, entries, base, listed: false };
  }

  /** How to show an object: what stands before its braces, which braces, and which entries besides its properties. */
  function planOf(value, state) {
    if (typeof value === 'function') return plan('Function', '', '{', '}', null, functionBase(value));
    const name = classNameOf(value);
    if (isArray(value)) return arrayPlan(value, name);
    if (js.isError(value)) return plan(name ?? 'Error', '', '{', '}', null, indented(errorBase(value, name), state.indent));
    const builtin = builtinOf(value);
    if (builtin !== undefined) {
      const planned = attemptPlan(builtin, value, name);
      if (planned !== null) return planned;
    }
    const tag = tagOf(value, name);
    if (name === null) return plan('Object: null prototype', `[Object: null prototype]${tag}`, '{', '}', null, '');
    return plan(name + tag, name === 'Object' && tag === '' ? '' : name + tag, '{', '}', null, '');
  }

  function attemptPlan(builtin, value, name) {
    try { return builtin(value, name ?? 'Object'); } catch { return null; } // a look-alike: only its prototype is built in
  }

  function tagOf(value, name) {
    const tag = value[toStringTag];
    return typeof tag === 'string' && tag !== '' && tag !== name ? ` [${slice(tag, 0, 200)}]` : '';
  }

  function arrayPlan(value, name) {
    const prefix = name === 'Array' ? '' : `${name ?? '[Array: null prototype]'}(${value.length})`;
    return plan(name ?? 'Array', prefix, '[', ']', arrayEntries, '');
  }

  const CLASS_TEXT = /^class(?:\s+[^\s{]+)?(?:\s+extends\s+([^\s{(]+))?/;
  function functionBase(value) {
    const own = getOwnPropertyDescriptor(value, 'name');
    const name = own !== undefined && typeof own.value === 'string' ? own.value : '';
    const source = functionSource(value);
    const asClass = js.startsWith(source, 'class') ? js.match(CLASS_TEXT, slice(source, 0, 400)) : null;
    if (asClass !== null) return `[class ${name || '(anonymous)'}${asClass[1] === undefined ? '' : ` extends ${asClass[1]}`}]`;
    const kind = classNameOf(value) ?? 'Function';
    return name === '' ? `[${kind} (anonymous)]` : `[${kind}: ${slice(name, 0, 1000)}]`;
  }

  function functionSource(value) {
    try { return js.functionText(value); } catch { return ''; }
  }

  const FRAME = '\n    at ';
  function errorBase(error, className) {
    let stack;
    try { stack = error.stack; } catch { stack = undefined; }
    if (typeof stack !== 'string' || stack === '') {
      const message = error.message;
      return `[${className ?? 'Error'}${typeof message === 'string' && message !== '' ? `: ${message}` : ''}]`;
    }
    const first = js.indexOf(stack, FRAME);
    const head = renamed(first < 0 ? stack : slice(stack, 0, first), className);
    return first < 0 ? `[${head}]` : head + ownFrames(slice(stack, first));
  }

  /** The stack of an error inside another value lines up with it. */
  function indented(stack, indent) {
    if (indent === 0) return stack;
    let shown = '';
    let from = 0;
    for (let at = js.indexOf(stack, '\n'); at >= 0; at = js.indexOf(stack, '\n', from)) {
      shown += slice(stack, from, at + 1) + repeat(' ', indent);
      from = at + 1;
    }
    return shown + slice(stack, from);
  }

  /** `Error: x` as `Missing: x` where the class is named so and the stack does not say it. */
  function renamed(head, className) {
    if (className === null || js.includes(head, className)) return head;
    const colon = js.indexOf(head, ':');
    return className + (colon < 0 ? '' : slice(head, colon));
  }

  /** Without the frames of the files in here. */
  function ownFrames(frames) {
    let kept = '';
    for (let from = 0, end; from < frames.length; from = end) {
      end = js.indexOf(frames, '\n', from + 1);
      if (end < 0) end = frames.length;
      const frame = slice(frames, from, end);
      if (!js.includes(frame, 'sandbox:') && !js.includes(frame, '<isolated-vm')) kept += frame;
    }
    return kept;
  }

  const MAX_KEYS = 1000;
  function extraKeys(value, planned) {
    const keys = js.ownKeys(value);
    const shown = [];
    const listed = planned.listed || (planned.entries !== null && (isArray(value) || js.isView(value)));
    const error = planned.entries === null && planned.base !== '' && typeof value === 'object' && js.isError(value);
    for (let i = 0; i < keys.length && shown.length < MAX_KEYS; i++) {
      const key = keys[i];
      if (listed && typeof key === 'string' && isIndex(key)) continue;
      if (error && (key === 'stack' || key === 'message')) continue;
      if (js.isEnumerable(value, key) || (error && (key === 'cause' || key === 'errors'))) shown[shown.length] = key;
    }
    return shown;
  }

  function isIndex(key) {
    const first = js.charCodeAt(key, 0);
    return first >= 48 && first <= 57;
  }

  function property(value, key, state, level) {
    const own = getOwnPropertyDescriptor(value, key);
    const accessor = own !== undefined && (own.get !== undefined || own.set !== undefined);
    const shown = accessor
      ? own.get !== undefined ? own.set !== undefined ? '[Getter/Setter]' : '[Getter]' : '[Setter]'
      : show(own === undefined ? value[key] : own.value, state, level + 1);
    const name = typeof key === 'symbol' ? js.symbolText(key) : js.match(PLAIN_KEY, key) !== null ? key : quote(key);
    return `${own !== undefined && !own.enumerable ? `[${name}]` : name}: ${shown}`;
  }

  // ── Entries of the built-in collections ─────────────────────────────────────────────────────────────────────────
  const moreItems = (count) => `... ${count} more item${count === 1 ? '' : 's'}`;

  function arrayEntries(value, state, level, output) {
    const { length } = value;
    for (let i = 0; i < length; i++) {
      if (output.length >= MAX_ITEMS || state.budget <= 0) { output[output.length] = moreItems(length - i); return; }
      if (js.hasOwn(value, i)) { output[output.length] = show(value[i], state, level + 1); continue; }
      const from = i;
      while (i + 1 < length && !js.hasOwn(value, i + 1) && i - from < MAX_CHARACTERS) i++;
      output[output.length] = `<${i - from + 1} empty item${i === from ? '' : 's'}>`;
    }
  }

  function typedEntries(value, state, level, output) {
    const length = js.bytesLength(value);
    for (let i = 0; i < length && i < MAX_ITEMS; i++) output[output.length] = showPrimitive(value[i]);
    if (length > MAX_ITEMS) output[output.length] = moreItems(length - MAX_ITEMS);
  }

  function mapEntries(value, state, level, output) {
    js.mapEach(value, (item, key) => {
      if (output.length < MAX_ITEMS) output[output.length] = `${show(key, state, level + 1)} => ${show(item, state, level + 1)}`;
    });
    if (js.mapSize(value) > MAX_ITEMS) output[output.length] = moreItems(js.mapSize(value) - MAX_ITEMS);
  }

  function setEntries(value, state, level, output) {
    js.setEach(value, (item) => { if (output.length < MAX_ITEMS) output[output.length] = show(item, state, level + 1); });
    if (js.setSize(value) > MAX_ITEMS) output[output.length] = moreItems(js.setSize(value) - MAX_ITEMS);
  }

  const unknownEntries = (value, state, level, output) => { output[output.length] = '<items unknown>'; };
  const boxed = (type, open) => (value) => plan(type, '', '{', '}', null, `[${type}: ${showPrimitive(open(value))}]`);

  const builtins = new js.Map();
  const builtin = (constructor, planFor) => js.mapSet(builtins, constructor.prototype, planFor);
  builtin(js.Map, (value, name) => plan(name, `${name}(${js.mapSize(value)})`, '{', '}', mapEntries, ''));
  builtin(globalThis.Set, (value, name) => plan(name, `${name}(${js.setSize(value)})`, '{', '}', setEntries, ''));
  builtin(globalThis.Date, (value) => plan('Date', '', '{', '}', null, js.isFinite(js.dateTime(value)) ? js.dateIso(value) : 'Invalid Date'));
  builtin(RegExp, (value) => plan('RegExp', '', '{', '}', null, js.regexpText(value)));
  builtin(Promise, (value, name) => plan(name, name, '{', '}', unknownEntries, ''));
  builtin(WeakMap, (value, name) => plan(name, name, '{', '}', unknownEntries, ''));
  builtin(WeakSet, (value, name) => plan(name, name, '{', '}', unknownEntries, ''));
  builtin(WeakRef, (value, name) => plan(name, name, '{', '}', unknownEntries, ''));
  builtin(ArrayBuffer, (value, name) => plan(name, '', '{', '}', null, `${name} { byteLength: ${js.bufferLength(value)} }`));
  builtin(Number, boxed('Number', js.numberOf));
  builtin(String, (value) => {
    const planned = boxed('String', js.stringOf)(value);
    planned.listed = true; // its characters are properties too
    return planned;
  });
  builtin(Boolean, boxed('Boolean', js.booleanOf));
  builtin(BigInt, boxed('BigInt', js.bigintOf));
  builtin(Symbol, boxed('Symbol', js.symbolOf));
  js.mapSet(builtins, js.TypedArrayPrototype, (value, name) => plan(name, `${name}(${js.bytesLength(value)})`, '[', ']', typedEntries, ''));

  // ── Layout ──────────────────────────────────────────────────────────────────────────────────────────────────────
  function layOut(output, planned, state, level, value) {
    const base = planned.base === '' ? '' : `${planned.base} `;
    if (output.length === 0) return `${base}${planned.open}${planned.close}`;
    const entries = output.length;
    const rows = planned.close === ']' && entries > 6 ? grouped(output, state, value) : output;
    if (state.reached - level < INNER_LEVELS && entries === rows.length && fitsLine(rows, planned, state)) {
      const line = join(rows, ', ');
      if (!js.includes(line, '\n')) return `${base}${planned.open} ${line} ${planned.close}`;
    }
    const margin = `\n${repeat(' ', state.indent)}`;
    return `${base}${planned.open}${margin}  ${join(rows, `,${margin}  `)}${margin}${planned.close}`;
  }

  function fitsLine(rows, planned, state) {
    let total = rows.length + rows.length + state.indent + planned.open.length + planned.base.length + 10;
    for (let i = 0; i < rows.length && total <= LINE; i++) total += rows[i].length;
    return total <= LINE && !js.includes(planned.base, '\n');
  }

  /** Short items of a long list in columns. */
  function grouped(output, state, value) {
    const hasMore = js.startsWith(output[output.length - 1], '... ');
    const length = hasMore ? output.length - 1 : output.length;
    let total = 0;
    let longest = 0;
    for (let i = 0; i < length; i++) { total += output[i].length + 2; longest = js.max(longest, output[i].length); }
    const width = longest + 2;
    if (width * 3 + state.indent >= LINE || !(total / width > 5 || longest <= 6)) return output;
    const columns = columnCount(width, total, output.length, length, state.indent);
    return columns <= 1 ? output : inColumns(output, length, columns, isNumeric(value), hasMore);
  }

  function columnCount(width, total, count, length, indent) {
    const bias = js.max(width - 3 - js.sqrt(width - total / count), 1);
    return js.min(js.round(js.sqrt(2.5 * bias * length) / bias), js.floor((LINE - indent) / width), 12, 15);
  }

  function isNumeric(value) {
    for (let i = 0; i < value.length && i < MAX_ITEMS; i++) {
      if (typeof value[i] !== 'number' && typeof value[i] !== 'bigint') return false;
    }
    return true;
  }

  function inColumns(output, length, columns, numeric, hasMore) {
    const widths = [];
    for (let i = 0; i < columns; i++) {
      widths[i] = 2;
      for (let j = i; j < length; j += columns) widths[i] = js.max(widths[i], output[j].length + 2);
    }
    const rows = [];
    for (let i = 0; i < length; i += columns) rows[rows.length] = row(output, i, js.min(i + columns, length), widths, numeric);
    if (hasMore) rows[rows.length] = output[length];
    return rows;
  }

  function row(output, from, end, widths, numeric) {
    const pad = numeric ? js.padStart : js.padEnd;
    let line = '';
    for (let j = from; j < end - 1; j++) line += pad(`${output[j]}, `, widths[j - from], ' ');
    return line + (numeric ? js.padStart(output[end - 1], widths[end - 1 - from] - 2, ' ') : output[end - 1]);
  }

  function inspect(value, depth = MAX_DEPTH) {
    const shown = show(value, newState(depth), 0);
    return shown.length > MAX_CHARACTERS ? `${slice(shown, 0, text.pairBoundary(shown, MAX_CHARACTERS))}…` : shown;
  }

  return inspect;
})
