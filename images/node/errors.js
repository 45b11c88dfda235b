/*
 * errors.js: inside the tenant's isolate. Whatever was thrown, as name, message, stack and position.
 *
 * Owns: which stack frames a tenant sees (its own), and how a hostile thrown value is read.
 * Must not know: jobs, frames of the protocol.
 *
 * SECURITY: reading a thrown value runs tenant code (getters, proxies, Error.prepareStackTrace). It happens here,
 * under the host's deadline, and everything it yields is checked to be a text before it is used.
 */
(function makeErrors(js, text, inspect) {
  'use strict';
  const { slice, indexOf, includes, startsWith, match } = js;
  const MAX_NAME = 200;
  const MAX_MESSAGE = 4096;
  const MAX_STACK = 16384;
  const SOURCE_FRAME = /job\.js:(\d+):(\d+)\)?$/;
  const BUILTIN_NAMES = /^(?:Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error$/;

  const textOr = (value, fallback) => (typeof value === 'string' ? value : fallback);

  /** `read()`, or `fallback` where it throws. Stack overflow is caught too: reading needs less than throwing did. */
  function attempt(read, fallback) {
    try { return read(); } catch { return fallback; }
  }

  /** The name an error goes by: its own, or its class's where it merely inherits one from a built-in. */
  function nameOf(error) {
    const name = textOr(attempt(() => error.name), 'Error');
    if (match(BUILTIN_NAMES, name) === null) return name;
    const className = textOr(attempt(() => error.constructor.name), '');
    return className === '' || className === 'Object' || js.hasOwn(error, 'name') ? name : className;
  }

  /** The frames of `stack` below its first lines, which repeat name and message. */
  function frameText(stack, message) {
    const from = message === '' ? -1 : indexOf(stack, message);
    const first = indexOf(stack, '\n    at ', from < 0 ? 0 : from + message.length);
    return first < 0 ? '' : slice(stack, first + 1);
  }

  /** Only frames of the tenant's source, and of built-ins that it called. */
  function tenantFrames(frames) {
    const kept = { __proto__: null, text: '', line: null, column: null };
    for (let from = 0, end; from < frames.length; from = end + 1) {
      end = indexOf(frames, '\n', from);
      if (end < 0) end = frames.length;
      const frame = slice(frames, from, end);
      if (!startsWith(frame, '    at ') || includes(frame, 'sandbox:') || includes(frame, '<isolated-vm')) continue;
      keep(kept, frame);
    }
    return kept;
  }

  function keep(kept, frame) {
    const place = match(SOURCE_FRAME, frame);
    const evaluated = place === null && includes(frame, 'job.js:');
    if (place === null && !evaluated && !js.endsWith(frame, '<anonymous>)')) return;
    kept.text += `\n${frame}`;
    if (place === null || kept.line !== null) return;
    kept.line = js.toNumber(place[1]);
    kept.column = js.toNumber(place[2]);
  }

  /** A description from three texts; also for errors that only reached us as texts (unhandled rejections). */
  function describeTexts(name, message, stack) {
    const frames = tenantFrames(frameText(stack, message));
    const shownMessage = message === 'Not supported' && name === 'Error' ? 'import() is not available to a job' : message;
    const title = text.cut(name, MAX_NAME);
    const sentence = text.cut(shownMessage, MAX_MESSAGE);
    return {
      __proto__: null,
      name: title,
      message: sentence,
      stack: text.cut(`${title}${sentence === '' ? '' : ': '}${sentence}${frames.text}`, MAX_STACK),
      line: frames.line,
      column: frames.column,
    };
  }

  function describeError(error) {
    // A tenant's prepareStackTrace would only make the stack unreadable to its own author. It may refuse to go.
    attempt(() => js.deleteProperty(js.Error, 'prepareStackTrace'));
    const name = nameOf(error);
    const message = textOr(attempt(() => error.message), '');
    return describeTexts(name, message, textOr(attempt(() => error.stack), ''));
  }

  function describeValue(value) {
    const message = typeof value === 'string' ? value : textOr(attempt(() => inspect(value)), 'a value that cannot be shown');
    const described = describeTexts('Error', message, '');
    described.thrownValue = true;
    return described;
  }

  /** Never throws, unless memory or the deadline ends the isolate. */
  function describe(thrown) {
    const looksLikeError = (typeof thrown === 'object' || typeof thrown === 'function') && thrown !== null
      && (js.isError(thrown) || typeof attempt(() => thrown.stack) === 'string');
    return looksLikeError ? describeError(thrown) : describeValue(thrown);
  }

  return { __proto__: null, describe, describeTexts };
})
