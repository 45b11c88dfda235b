/*
 * memory.mjs: beside the stream. Watches this process grow while a tenant runs.
 *
 * Owns: when growth is too much. Must not know: jobs, frames.
 *
 * V8 checks an isolate's limit only when it collects garbage, and never sees WebAssembly memories. The kernel's limit is
 * the wall, but hitting it takes this process along; this watch mostly comes first and ends the isolate alone.
 */
const EVERY_MS = 10;
const SLACK_BYTES = 32 * 1024 * 1024; // garbage not yet collected, compiled code, what travels between the isolates

/** Calls `exceeded(grownBytes)` once when this process is larger than now by more than `limitBytes` and a slack. */
export function watchGrowth(limitBytes, exceeded) {
  const before = sizes();
  let ownPeak = before.own;
  const timer = setInterval(() => {
    const { resident, own } = sizes();
    ownPeak = Math.max(ownPeak, own);
    const grown = resident - before.resident - (ownPeak - before.own);
    if (grown <= limitBytes + SLACK_BYTES) return;
    clearInterval(timer);
    exceeded(grown);
  }, EVERY_MS);
  return timer;
}

/**
 * Resident memory, and how much of it is this isolate's own heap, which a tenant's flood of text fills with garbage.
 * Collected garbage stays resident for a while: so the watch discounts the largest own heap it has seen.
 */
function sizes() {
  const { rss, heapTotal, external } = process.memoryUsage();
  return { resident: rss, own: heapTotal + external };
}
