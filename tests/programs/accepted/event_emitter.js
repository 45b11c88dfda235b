class Emitter {
  #listeners = new Map();
  on(name, listener) { this.#listeners.getOrInsert?.(name, []); (this.#listeners.get(name) ?? this.#set(name)).push(listener); return this; }
  #set(name) { const list = []; this.#listeners.set(name, list); return list; }
  emit(name, ...args) { for (const listener of this.#listeners.get(name) ?? []) listener(...args); }
}
const seen = [];
new Emitter().on('a', (x) => seen.push(x)).emit('a', 1);
output = seen;
