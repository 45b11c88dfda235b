/*
 * frames.mjs: beside the stream. The protocol's frames: 4 bytes of length, then one JSON object.
 *
 * Owns: the bytes on stdin and stdout. Must not know: jobs, isolates.
 */
import { writeSync } from 'node:fs';

const HEADER_BYTES = 4;
const MAX_FRAME_BYTES = 64 * 1024 * 1024; // from the host; it keeps its own, smaller cap for ours
const EMPTY = Buffer.alloc(0);

export function encodeFrame(message) {
  const text = JSON.stringify(message);
  const bytes = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  frame.writeUInt32BE(bytes, 0);
  frame.utf8Write(text, HEADER_BYTES, bytes);
  return frame;
}

/** Bytes in, messages out. Throws on what can be no frame of the host's. */
export class FrameReader {
  #chunks = [];
  #held = 0;
  #needed = HEADER_BYTES; // bytes until something can be done

  * feed(chunk) {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= this.#needed) {
      const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks, this.#held);
      const length = bytes.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes`);
      const end = HEADER_BYTES + length;
      if (bytes.length < end) { this.#keep(bytes, end); return; }
      this.#keep(bytes.length === end ? EMPTY : bytes.subarray(end), HEADER_BYTES);
      yield parseMessage(bytes.utf8Slice(HEADER_BYTES, end));
    }
  }

  #keep(bytes, needed) {
    this.#chunks = bytes.length === 0 ? [] : [bytes];
    this.#held = bytes.length;
    this.#needed = needed;
  }
}

function parseMessage(text) {
  const message = JSON.parse(text);
  if (typeof message !== 'object' || message === null || typeof message.type !== 'string') throw new Error('a frame without a type');
  return message;
}

/** Messages in, bytes out: complete, in order, several in one write where they came together. */
export class FrameWriter {
  #fd;
  #waiting = [];

  constructor(fd) { this.#fd = fd; }

  add(message) { this.#waiting.push(encodeFrame(message)); }

  flush() {
    const frames = this.#waiting;
    if (frames.length === 0) return;
    this.#waiting = [];
    writeFully(this.#fd, frames.length === 1 ? frames[0] : Buffer.concat(frames));
  }

  send(message) {
    this.add(message);
    this.flush();
  }
}

const pauseCell = new Int32Array(new SharedArrayBuffer(4));
const PAUSE_MS = 1;

/** A slow host makes us wait here, and the tenant with us: that is the back-pressure a flood meets. */
function writeFully(fd, bytes) {
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(fd, bytes, written);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(pauseCell, 0, 0, PAUSE_MS);
    }
  }
}
