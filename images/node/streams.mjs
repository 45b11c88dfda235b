/*
 * streams.mjs: beside the stream. What is kept of a tenant's stdout or stderr: the head as it comes, then only a tail.
 *
 * Owns: the head/tail rule of docs/protocol.md, and its bounded memory. Must not know: frames, isolates, the clock.
 *
 * The tail is bytes in one buffer, not texts in a list: a text that is still referenced when V8 tidies its young generation
 * moves to the old one, and a flood would leave a hundred megabytes of such garbage.
 */
const TAIL_BYTES = 64 * 1024;
const MAX_TEXT_BYTES = 3 * 8192; // of what comes at once, see PIECE in tenant.js
export const TAIL_EVERY_MS = 100; // for whoever forwards it

export class TenantStream {
  #headLeft;
  #tail = null; // a buffer, made when the head is full
  #tailEnd = 0;
  #skipped = 0; // bytes left out since something was last forwarded

  constructor(headBytes) { this.#headLeft = headBytes; }

  get hasTail() { return this.#tailEnd > 0; }

  /** Takes what the tenant wrote; the pieces to forward at once, each `{ text, bytes, skipped }`. */
  take(text) {
    const bytes = Buffer.byteLength(text);
    if (bytes === 0) return [];
    if (bytes <= this.#headLeft) {
      this.#headLeft -= bytes;
      return [{ text: text.toWellFormed(), bytes, skipped: 0 }];
    }
    return this.#tail === null ? this.#fillHead(text) : this.#addToTail(text, bytes);
  }

  #fillHead(text) {
    const whole = Buffer.from(text);
    const end = characterStart(whole, this.#headLeft);
    this.#headLeft = 0;
    this.#tail = Buffer.allocUnsafeSlow(TAIL_BYTES + MAX_TEXT_BYTES);
    this.#addToTail(whole.toString('utf8', end), whole.length - end);
    return end === 0 ? [] : [{ text: whole.toString('utf8', 0, end), bytes: end, skipped: 0 }];
  }

  #addToTail(text, bytes) {
    if (this.#tailEnd + bytes > this.#tail.length) this.#shorten();
    this.#tail.utf8Write(text, this.#tailEnd, bytes);
    this.#tailEnd += bytes;
    return [];
  }

  /** Leaves at most the last 64 KiB, from the start of a character on. */
  #shorten() {
    const start = nextCharacterStart(this.#tail, Math.max(this.#tailEnd - TAIL_BYTES, 0), this.#tailEnd);
    this.#tail.copyWithin(0, start, this.#tailEnd);
    this.#tailEnd -= start;
    this.#skipped += start;
  }

  /** The tail so far, as pieces to forward; it begins anew. */
  takeTail() {
    if (!this.hasTail) return [];
    this.#shorten();
    const piece = { text: this.#tail.utf8Slice(0, this.#tailEnd), bytes: this.#tailEnd, skipped: this.#skipped };
    this.#tailEnd = 0;
    this.#skipped = 0;
    return [piece];
  }
}

const isContinuation = (byte) => (byte & 0xc0) === 0x80;

function characterStart(bytes, at) {
  let start = at;
  while (start > 0 && isContinuation(bytes[start])) start -= 1;
  return start;
}

function nextCharacterStart(bytes, at, end) {
  let start = at;
  while (start < end && isContinuation(bytes[start])) start += 1;
  return start;
}
