// Draws the diagrams of a page; without it they stay what they are: readable text.
const dark = document.body.dataset.theme === "dark" ||
  (document.body.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
mermaid.initialize({ startOnLoad: false, theme: dark ? "dark" : "neutral", securityLevel: "strict" });
addEventListener("DOMContentLoaded", () => mermaid.run({ querySelector: "pre.mermaid" }));
