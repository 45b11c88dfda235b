/*
 * streams.mjs: beside the stream. What is kept of a tenant's stdout or stderr: the head as it comes, then only a tail.
 *
 * Owns: the head/tail rule of docs/protocol.md, and its bounded memory. Must not know: frames, isolates, the clock.
 */
const TAIL_BYTES = 64 * 1024;
export const TAIL_EVERY_MS = 100;

export class TenantStream {
  #headLeft;
  #tail = []; // { text, bytes }, oldest first
  #tailBytes = 0;
  #skipped = 0; // bytes left out since something was last forwarded
  #tailSince = 0; // when the tail was last forwarded, or the head was full

  constructor(headBytes) { this.#headLeft = headBytes; }

  get hasTail() { return this.#tailBytes > 0; }

  /** Takes what the tenant wrote; the pieces to forward at once, each `{ text, bytes, skipped }`. */
  take(written, now) {
    const text = written.toWellFormed();
    const bytes = Buffer.byteLength(text);
    if (bytes === 0) return [];
    if (bytes <= this.#headLeft) {
      this.#headLeft -= bytes;
      return [{ text, bytes, skipped: 0 }];
    }
    if (this.#headLeft > 0) return this.#fillHead(text, now);
    this.#addToTail(text, bytes);
    return now - this.#tailSince >= TAIL_EVERY_MS ? this.takeTail(now) : [];
  }

  #fillHead(text, now) {
    const whole = Buffer.from(text);
    const end = characterStart(whole, this.#headLeft);
    this.#headLeft = 0;
    this.#tailSince = now;
    this.#addToTail(whole.toString('utf8', end), whole.length - end);
    return end === 0 ? [] : [{ text: whole.toString('utf8', 0, end), bytes: end, skipped: 0 }];
  }

  #addToTail(text, bytes) {
    this.#tail.push({ text, bytes });
    this.#tailBytes += bytes;
    while (this.#tailBytes - this.#tail[0].bytes >= TAIL_BYTES) {
      const oldest = this.#tail.shift();
      this.#tailBytes -= oldest.bytes;
      this.#skipped += oldest.bytes;
    }
  }

  /** The tail so far, as pieces to forward. */
  takeTail(now) {
    if (!this.hasTail) return [];
    let text = this.#tail.map((piece) => piece.text).join('');
    let bytes = this.#tailBytes;
    if (bytes > TAIL_BYTES) {
      const whole = Buffer.from(text);
      const start = nextCharacterStart(whole, bytes - TAIL_BYTES);
      text = whole.toString('utf8', start);
      bytes -= start;
      this.#skipped += start;
    }
    const piece = { text, bytes, skipped: this.#skipped };
    this.#tail = [];
    this.#tailBytes = 0;
    this.#skipped = 0;
    this.#tailSince = now;
    return [piece];
  }
}

const isContinuation = (byte) => (byte & 0xc0) === 0x80;

function characterStart(bytes, at) {
  let start = at;
  while (start > 0 && isContinuation(bytes[start])) start -= 1;
  return start;
}

function nextCharacterStart(bytes, at) {
  let start = at;
  while (start < bytes.length && isContinuation(bytes[start])) start += 1;
  return start;
}
