/*
 * text.js: inside the tenant's isolate. UTF-8 and base64, and the globals btoa and atob.
 *
 * Owns: how texts become bytes and back, how a text is cut to a number of bytes.
 * Must not know: jobs, streams.
 */
(function makeText(js) {
  'use strict';
  const { charCodeAt, fromCharCode, slice, toText, toWellFormed, Uint8Array, bytesLength } = js;
  const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const VALUE_OF = new Uint8Array(128).fill(255);
  for (let i = 0; i < 64; i++) VALUE_OF[charCodeAt(ALPHABET, i)] = i;

  const isHighSurrogate = (unit) => unit >= 0xd800 && unit < 0xdc00;

  /** How many bytes the UTF-16 unit at `i` begins or continues: a pair counts 4 at its first half, 0 at its second. */
  function bytesAt(text, i) {
    const unit = charCodeAt(text, i);
    if (unit < 0x80) return 1;
    if (unit < 0x800) return 2;
    if (isHighSurrogate(unit) && i + 1 < text.length && (charCodeAt(text, i + 1) & 0xfc00) === 0xdc00) return 4;
    if ((unit & 0xfc00) === 0xdc00 && i > 0 && isHighSurrogate(charCodeAt(text, i - 1))) return 0;
    return 3;
  }

  function byteLength(text) {
    let bytes = 0;
    for (let i = 0; i < text.length; i++) bytes += bytesAt(text, i);
    return bytes;
  }

  /** `text` as well-formed text of at most `maxBytes` bytes; what does not fit is replaced by one `…`. */
  function cut(text, maxBytes) {
    if (text.length * 3 <= maxBytes) return toWellFormed(text);
    let bytes = 0;
    let fits = 0; // units that leave room for the mark
    for (let i = 0; i < text.length; i++) {
      bytes += bytesAt(text, i);
      if (bytes > maxBytes) return `${toWellFormed(slice(text, 0, fits))}…`;
      if (bytes <= maxBytes - 3) fits = i + 1;
    }
    return toWellFormed(text);
  }

  /** The largest cut position up to `at` that does not part a surrogate pair. */
  function pairBoundary(text, at) {
    return at < text.length && isHighSurrogate(charCodeAt(text, at - 1)) ? at - 1 : at;
  }

  function encodeUtf8(text) {
    const bytes = new Uint8Array(byteLength(text));
    let at = 0;
    for (let i = 0; i < text.length; i++) {
      const width = bytesAt(text, i);
      let code = charCodeAt(text, i);
      if (width === 1) { bytes[at++] = code; continue; }
      if (width === 0) continue;
      if (width === 4) code = 0x10000 + ((code & 0x3ff) << 10) + (charCodeAt(text, i + 1) & 0x3ff);
      else if ((code & 0xf800) === 0xd800) code = 0xfffd;
      if (width === 4) { bytes[at++] = 0xf0 | (code >> 18); bytes[at++] = 0x80 | ((code >> 12) & 63); }
      else if (width === 3) bytes[at++] = 0xe0 | (code >> 12);
      else { bytes[at++] = 0xc0 | (code >> 6); }
      if (width > 2) bytes[at++] = 0x80 | ((code >> 6) & 63);
      bytes[at++] = 0x80 | (code & 63);
    }
    return bytes;
  }

  /** The code point that starts at `i` and how many bytes it took; bytes that are no UTF-8 become U+FFFD. */
  function decodeAt(bytes, i, length, found) {
    const first = bytes[i];
    const more = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    found.code = 0xfffd;
    found.width = 1;
    if (more === 0) return;
    let code = first & (0x3f >> more);
    for (let k = 1; k <= more; k++) {
      const next = i + k < length ? bytes[i + k] : 0;
      const tooLow = k === 1 && ((first === 0xe0 && next < 0xa0) || (first === 0xf0 && next < 0x90));
      const tooHigh = k === 1 && ((first === 0xed && next > 0x9f) || (first === 0xf4 && next > 0x8f));
      if ((next & 0xc0) !== 0x80 || tooLow || tooHigh) { found.width = k; return; }
      code = (code << 6) | (next & 63);
    }
    found.code = code;
    found.width = more + 1;
  }

  function decodeUtf8(bytes) {
    const length = bytesLength(bytes);
    const found = { __proto__: null, code: 0, width: 0 };
    let text = '';
    for (let i = 0; i < length;) {
      if (bytes[i] < 0x80) { text += fromCharCode(bytes[i++]); continue; }
      decodeAt(bytes, i, length, found);
      text += js.fromCodePoint(found.code);
      i += found.width;
    }
    return text;
  }

  function encodeBase64(length, byteAt) {
    let text = '';
    for (let i = 0; i < length; i += 3) {
      const triple = (byteAt(i) << 16) | ((i + 1 < length ? byteAt(i + 1) : 0) << 8) | (i + 2 < length ? byteAt(i + 2) : 0);
      text += ALPHABET[triple >> 18] + ALPHABET[(triple >> 12) & 63];
      text += i + 1 < length ? ALPHABET[(triple >> 6) & 63] : '=';
      text += i + 2 < length ? ALPHABET[triple & 63] : '=';
    }
    return text;
  }

  function invalidCharacter(message) {
    const error = new js.Error(message);
    js.defineProperty(error, 'name', {
      __proto__: null, value: 'InvalidCharacterError', configurable: true, writable: true,
    });
    js.defineProperty(error, 'code', { __proto__: null, value: 5, configurable: true, writable: true });
    return error;
  }

  /** WHATWG forgiving-base64, first half: no white space, no padding; null where the text is not base64. */
  function base64Digits(text) {
    let digits = '';
    for (let i = 0; i < text.length; i++) {
      const unit = charCodeAt(text, i);
      if (unit !== 32 && unit !== 9 && unit !== 10 && unit !== 12 && unit !== 13) digits += text[i];
    }
    if (digits.length % 4 === 0 && js.endsWith(digits, '==')) digits = slice(digits, 0, -2);
    else if (digits.length % 4 === 0 && js.endsWith(digits, '=')) digits = slice(digits, 0, -1);
    return digits.length % 4 === 1 ? null : digits;
  }

  /** The bytes of a base64 text, each handed to `take`; false where the text is not base64. */
  function decodeBase64(text, take) {
    const digits = base64Digits(text);
    if (digits === null) return false;
    let bits = 0;
    let held = 0;
    for (let i = 0; i < digits.length; i++) {
      const unit = charCodeAt(digits, i);
      const value = unit < 128 ? VALUE_OF[unit] : 255;
      if (value === 255) return false;
      held = ((held << 6) | value) & 0xffff;
      bits += 6;
      if (bits >= 8) { bits -= 8; take((held >> bits) & 255); }
    }
    return true;
  }

  const globals = {
    __proto__: null,
    btoa(data) {
      const text = toText(data);
      for (let i = 0; i < text.length; i++) {
        if (charCodeAt(text, i) > 255) throw invalidCharacter('Invalid character');
      }
      return encodeBase64(text.length, (i) => charCodeAt(text, i));
    },
    atob(data) {
      let text = '';
      if (!decodeBase64(toText(data), (byte) => { text += fromCharCode(byte); })) {
        throw invalidCharacter('The string to be decoded is not correctly encoded.');
      }
      return text;
    },
  };

  return { __proto__: null, cut, byteLength, pairBoundary, encodeUtf8, decodeUtf8, encodeBase64, decodeBase64, globals };
})
