/*
 * memory.mjs: beside the stream. Watches this process grow while a tenant runs.
 *
 * Owns: when growth is too much. Must not know: jobs, frames.
 *
 * V8 checks an isolate's limit only when it collects garbage, and never sees WebAssembly memories. The kernel's limit is
 * the wall, but hitting it takes this process along; this watch mostly comes first and ends the isolate alone.
 */
const EVERY_MS = 10;
const SLACK_BYTES = 32 * 1024 * 1024; // garbage not yet collected, compiled code, what this side buffers

/** Calls `exceeded(grownBytes)` once this process is larger than now by more than `limitBytes` and a slack. */
export function watchGrowth(limitBytes, exceeded) {
  const before = process.memoryUsage.rss();
  const timer = setInterval(() => {
    const grown = process.memoryUsage.rss() - before;
    if (grown <= limitBytes + SLACK_BYTES) return;
    clearInterval(timer);
    exceeded(grown);
  }, EVERY_MS);
  return timer;
}
