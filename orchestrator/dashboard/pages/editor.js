// A small editor: a text area, and behind it the same text in colour. What the validator finds is underlined.

import { h, put } from "./dom.js";
import { MOST, MOST_LINES, lines } from "./highlight.js";

const INDENTS = { python: "    ", javascript: "  ", json: "  " };

export class Editor {
  constructor({ label, id, value = "", language, rows = 14, onchange }) {
    this.language = language;
    this.onchange = onchange ?? (() => {});
    this.findings = [];
    this.gutter = h("div", { class: "gutter", "aria-hidden": "true" });
    this.layer = h("pre", { class: "layer", "aria-hidden": "true" });
    this.area = h("textarea", {
      id, rows, spellcheck: "false", autocomplete: "off", autocapitalize: "off", autocorrect: "off", wrap: "off",
      "aria-label": label, "aria-describedby": `${id}-hint`, value,
    });
    this.element = h("div", { class: "editor" }, this.gutter, h("div", { class: "sheet" }, this.layer, this.area),
      h("span", { class: "unseen", id: `${id}-hint` }, "Tab indents; press Escape first to leave the editor with Tab."));
    this.area.addEventListener("input", () => { this.#draw(); this.onchange(); });
    this.area.addEventListener("scroll", () => this.#scroll());
    this.area.addEventListener("keydown", (event) => this.#key(event));
    this.#draw();
  }

  get value() { return this.area.value; }

  set value(text) { this.area.value = text; this.findings = []; this.#draw(); }

  // Findings as the service tells them: lines and columns count from 1, in characters.
  mark(findings) {
    this.findings = findings;
    this.#draw();
  }

  goTo(line, column) {
    const before = this.value.split("\n").slice(0, line - 1).join("\n");
    const start = before.length + (line > 1 ? 1 : 0) + unitsOf(this.value.split("\n")[line - 1] ?? "", column - 1);
    this.area.focus();
    this.area.setSelectionRange(start, start);
    const height = this.area.scrollHeight / Math.max(1, this.value.split("\n").length);
    this.area.scrollTop = Math.max(0, (line - 4) * height);
  }

  use(language) { this.language = language; this.#draw(); }

  #draw() {
    // A very long text is not coloured: the browser would be busy with it at every key.
    const isLong = this.value.length > MOST || this.value.split("\n", MOST_LINES + 1).length > MOST_LINES;
    this.element.classList.toggle("plain", isLong);
    const all = isLong ? [] : lines(this.value, this.language, { plain: true });
    const rows = all.map((nodes) => h("span", { class: "row" }, nodes, "\n"));
    put(this.layer, rows);
    const worst = new Map();
    for (const { line, severity, message } of this.findings) {
      if (worst.get(line)?.severity !== "reject") worst.set(line, { severity, message });
    }
    put(this.gutter, all.map((_, index) => {
      const found = worst.get(index + 1);
      return h("span", found ? { class: found.severity, title: found.message } : null, index + 1);
    }));
    this.#underline(rows);
    this.#scroll();
  }

  #underline(rows) {
    // The browser's own highlights: no element is put around the text, so its widths stay those of the text area.
    if (!globalThis.Highlight) return;
    for (const severity of ["reject", "warn"]) {
      const ranges = this.findings.filter((each) => each.severity === severity).map((each) => rangeOf(rows, each)).filter(Boolean);
      const name = `${this.area.id}-${severity}`;
      if (ranges.length) CSS.highlights.set(name, new Highlight(...ranges));
      else CSS.highlights.delete(name);
    }
  }

  #scroll() {
    this.layer.style.transform = `translate(${-this.area.scrollLeft}px, ${-this.area.scrollTop}px)`;
    this.gutter.style.transform = `translateY(${-this.area.scrollTop}px)`;
  }

  #key(event) {
    const leaving = this.leaving;
    this.leaving = event.key === "Escape";
    if (event.key === "Tab" && !leaving && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      if (event.shiftKey) this.#outdent();
      else this.#insert(INDENTS[this.language] ?? "  ");
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const line = this.value.slice(0, this.area.selectionStart).split("\n").at(-1);
      const deeper = /[:{[(]\s*$/.test(line) ? INDENTS[this.language] ?? "  " : "";
      this.#insert(`\n${/^\s*/.exec(line)[0]}${deeper}`);
    }
  }

  #insert(text) {
    // The old command is the one that undo knows.
    if (document.execCommand?.("insertText", false, text)) return;
    this.area.setRangeText(text, this.area.selectionStart, this.area.selectionEnd, "end");
    this.#draw();
    this.onchange();
  }

  #outdent() {
    const start = this.value.lastIndexOf("\n", this.area.selectionStart - 1) + 1;
    const spaces = /^ {0,4}/.exec(this.value.slice(start))[0].slice(0, (INDENTS[this.language] ?? "  ").length);
    const at = this.area.selectionStart;
    this.area.setRangeText("", start, start + spaces.length, "preserve");
    this.area.setSelectionRange(Math.max(start, at - spaces.length), Math.max(start, at - spaces.length));
    this.#draw();
    this.onchange();
  }
}

// How many of JavaScript's units the first `characters` of a text take.
function unitsOf(text, characters) {
  return [...text].slice(0, Math.max(0, characters)).join("").length;
}

function rangeOf(rows, { line, column, end_line: endLine, end_column: endColumn }) {
  const first = rows[line - 1];
  const last = rows[Math.min(endLine, rows.length) - 1];
  if (!first || !last) return null;
  const range = new Range();
  const start = placeIn(first, unitsOf(first.textContent, column - 1));
  let end = placeIn(last, unitsOf(last.textContent, endColumn - 1));
  if (line === endLine && endColumn <= column) end = placeIn(last, unitsOf(last.textContent, column));
  range.setStart(...start);
  range.setEnd(...end);
  return range;
}

function placeIn(row, offset) {
  const walker = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
  let left = offset;
  let node = walker.nextNode();
  while (node && left > node.length) {
    left -= node.length;
    const next = walker.nextNode();
    if (!next) return [node, node.length];
    node = next;
  }
  return node ? [node, left] : [row, 0];
}
