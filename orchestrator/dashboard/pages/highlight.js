// Words of JavaScript, Python and JSON told apart for colour; a line of code as nodes. It decides nothing.
// Strangers wrote what is read here: each pattern takes time in proportion to the text, whatever that is.

import { h, visible } from "./dom.js";

const JAVASCRIPT_WORDS = "async await break case catch class const continue debugger default delete do else export extends "
  + "finally for from function get if import in instanceof let new of return set static super switch this throw try typeof "
  + "var void while with yield";
const PYTHON_WORDS = "and as assert async await break case class continue def del elif else except finally for from global "
  + "if import in is lambda match nonlocal not or pass raise return try while with yield";
const NUMBER = String.raw`\b(?:0[xXbBoO][\da-fA-F_]+n?|\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d+)?[nj]?)\b`;
const kinds = (words, constants, parts) => new RegExp([
  ...parts,
  `(?<number>${NUMBER})`,
  String.raw`(?<constant>\b(?:${constants})\b)`,
  `(?<word>\\b(?:${words.replaceAll(" ", "|")})\\b)`,
  String.raw`(?<name>[\p{L}_$][\p{L}\p{N}_$]*)`,
].join("|"), "gu");

const LANGUAGES = {
  javascript: kinds(JAVASCRIPT_WORDS, "true|false|null|undefined|NaN|Infinity|input|output|console", [
    String.raw`(?<comment>//[^\n]*|/\*[\s\S]*?(?:\*/|$))`,
    String.raw`(?<string>"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?|${"`"}(?:[^${"`"}\\]|\\[\s\S])*${"`"}?)`,
    String.raw`(?<regex>(?<=(?:^|[=(,:;!&|?{}\n]|\breturn)\s*)/(?![/*])(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.){0,200}\]){1,200}/[a-z]{0,9})`,
  ]),
  python: kinds(PYTHON_WORDS, "True|False|None|input|output|self|print", [
    String.raw`(?<comment>#[^\n]*)`,
    String.raw`(?<string>(?:\b[rbfuRBFU]{1,2})?(?:"""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:[^"\\\n]|\\[\s\S])*"?|'(?:[^'\\\n]|\\[\s\S])*'?))`,
    String.raw`(?<decorator>@[\w.]+)`,
  ]),
  json: /(?<key>"(?:[^"\\]|\\.)*"(?=\s*:))|(?<string>"(?:[^"\\]|\\.)*"?)|(?<number>-?\b\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b)|(?<constant>\b(?:true|false|null)\b)/gu,
};
export const MOST = 200_000;
export const MOST_LINES = 5000;

// Other languages are shown without colours.
export function languageOf(runtime) {
  if (/python|pypy/i.test(runtime)) return "python";
  return /node|deno|bun|javascript/i.test(runtime) ? "javascript" : "other";
}

// Pieces [kind, text] of a source, in order; kind is null for what is nothing special.
export function pieces(text, language) {
  const pattern = LANGUAGES[language];
  if (!pattern || text.length > MOST) return [[null, text]];
  const found = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (!match[0]) continue;
    if (match.index > from) found.push([null, text.slice(from, match.index)]);
    const kind = Object.keys(match.groups).find((name) => match.groups[name] !== undefined);
    from = match.index + match[0].length;
    if (kind !== "name") found.push([kind, match[0]]);
    else found.push([text[from] === "(" ? "call" : null, match[0]]);
  }
  if (from < text.length) found.push([null, text.slice(from)]);
  return found;
}

// A source as lines of nodes; with `plain`, hidden characters stay what they are, so that widths do.
export function lines(text, language, { plain = false } = {}) {
  const all = [[]];
  for (const [kind, piece] of pieces(text, language)) {
    piece.split("\n").forEach((part, index) => {
      if (index) all.push([]);
      if (!part) return;
      const shown = plain ? part : visible(part);
      all.at(-1).push(kind ? h("span", { class: `t-${kind}` }, shown) : plain ? document.createTextNode(part) : shown);
    });
  }
  return all;
}

export function code(text, language, props) {
  const element = h("code", { class: "source", ...props });
  lines(text, language).forEach((nodes, index) => {
    if (index) element.append("\n");
    element.append(...nodes);
  });
  return element;
}
