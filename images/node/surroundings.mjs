/*
 * surroundings.mjs: beside the stream. What a job could have left behind, as seen from inside between two jobs of one tenant.
 *
 * Owns: the looking; what is too much is the host's to judge. Whatever cannot be looked at counts as left behind.
 * Must not know: frames, jobs, isolates.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';

const FOLDERS = ['/work', '/tmp'];
const MOST_NAMES = 16;
const MOST_NAME_LENGTH = 80;
const SYSTEM_V = ['shm', 'sem', 'msg'];
const LISTENING_DESCRIPTORS = 1; // with its first stream libuv opens a spare one, for a day without any
const SHARED_FOLDERS = ['/dev/shm', '/dev/mqueue'];

export class Surroundings {
  #modes = new Map(FOLDERS.map((folder) => [folder, statSync(folder).mode]));
  #descriptors = 0; // how many there may be
  #threads = 0;

  /** Takes what is there now for the process's own. */
  settle() {
    this.#descriptors = count(descriptors) + LISTENING_DESCRIPTORS;
    this.#threads = count(threads);
  }

  /** The field `inspection` of a `kept` frame, see docs/protocol.md. */
  inspect() {
    const files = this.#files();
    return {
      processes: count(otherProcesses),
      threads: Math.max(0, count(threads) - this.#threads),
      files: files.slice(0, MOST_NAMES),
      files_count: files.length,
      descriptors: Math.max(0, count(descriptors) - this.#descriptors),
      shared_memory: SYSTEM_V.map((kind) => count(segments, kind)).concat(
        SHARED_FOLDERS.filter((folder) => existsSync(folder)).map((folder) => count(readdirSync, folder)),
      ).reduce((sum, one) => sum + one, 0),
    };
  }

  /** Every entry of the two folders, and the folders themselves where they are no longer as they were. */
  #files() {
    const found = [];
    for (const [folder, mode] of this.#modes) {
      try {
        found.push(...readdirSync(folder).map((name) => `${folder}/${name}`));
        if (statSync(folder).mode !== mode) found.push(folder);
      } catch {
        found.push(folder);
      }
    }
    return found.map((name) => name.replace(/[^\x20-\x7e]/g, '?').slice(0, MOST_NAME_LENGTH));
  }
}

const descriptors = () => readdirSync('/proc/self/fd');
const threads = () => readdirSync('/proc/self/task');
const otherProcesses = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name) && name !== '1' && name !== String(process.pid));

function segments(kind) {
  const path = `/proc/sysvipc/${kind}`;
  return existsSync(path) ? readFileSync(path, 'latin1').trimEnd().split('\n').slice(1) : [];
}

function count(look, ...args) {
  try { return look(...args).length; } catch { return 1; }
}
