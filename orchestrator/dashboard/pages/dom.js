// How elements are made. Text only ever becomes text nodes: the page's policy lets nothing else happen.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, children);
  return element;
}

export function add(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  return element;
}

export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

export function put(element, ...children) {
  element.replaceChildren();
  return add(element, ...children);
}

export const one = (id) => document.getElementById(id);

let telling;
export function tell(text) {
  // For screen readers; emptied first, so that the same words twice are heard twice.
  one("told").textContent = "";
  clearTimeout(telling);
  telling = setTimeout(() => { one("told").textContent = text; }, 50);
}

// -- what strangers wrote ----------------------------------------------------------------------------------

// Everything that is not seen, or changes how its neighbours are seen: controls but tab and newline, soft hyphens,
// marks of direction, zero widths, separators, tags, lone halves of pairs.
const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180e"
  + "\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\ud800-\\udfff]",
  "gu",
);
const NAMES = {
  0x1b: "escape", 0x200b: "zero width space", 0x200d: "zero width joiner", 0x200e: "left-to-right mark",
  0x200f: "right-to-left mark", 0x202a: "left-to-right embedding", 0x202b: "right-to-left embedding",
  0x202c: "pop directional formatting", 0x202d: "left-to-right override", 0x202e: "right-to-left override",
  0x2066: "left-to-right isolate", 0x2067: "right-to-left isolate", 0x2068: "first strong isolate",
  0x2069: "pop directional isolate", 0xfeff: "byte order mark",
};

// In letters: few fonts have pictures of them.
const CONTROLS = ("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC "
  + "FS GS RS US").split(" ");

function mark(character) {
  const code = character.codePointAt(0);
  const hex = "U+" + code.toString(16).toUpperCase().padStart(4, "0");
  const shown = CONTROLS[code] ?? (code === 0x7f ? "DEL" : hex);
  const name = NAMES[code] ? `${hex}, ${NAMES[code]}` : hex;
  return h("span", { class: "hidden-character", title: name }, shown);
}

// A stranger's text as nodes, with what is hidden in it made visible.
export function visible(text) {
  const fragment = document.createDocumentFragment();
  const whole = String(text ?? "");
  let from = 0;
  for (const match of whole.matchAll(HIDDEN)) {
    if (match.index > from) fragment.append(whole.slice(from, match.index));
    fragment.append(mark(match[0]));
    from = match.index + match[0].length;
  }
  if (from < whole.length) fragment.append(whole.slice(from));
  return fragment;
}

export const theirs = (text, props) => h("bdi", { class: "theirs", ...props }, visible(text));

export function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
