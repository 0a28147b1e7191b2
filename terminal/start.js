// Loads the terminal; a page adds this script when the first shell is opened, and no sooner.
import init, { open } from "./terminal.js";

// xterm makes style elements, which the pages' policy allows with its nonce alone.
const nonce = document.querySelector("script[nonce]")?.nonce;
const create = document.createElement.bind(document);
document.createElement = (name, options) => {
  const element = create(name, options);
  if (nonce && element.localName === "style") element.nonce = nonce;
  return element;
};

const styles = create("link");
styles.rel = "stylesheet";
styles.href = new URL("xterm.css", import.meta.url).href;
const styled = new Promise((done, failed) => {
  styles.onload = done;
  styles.onerror = () => failed(new Error("the terminal's style sheet could not be loaded"));
});
document.head.append(styles);

try {
  await Promise.all([init({ module_or_path: new URL("terminal_bg.wasm", import.meta.url) }), styled]);
  globalThis.catalystTerminal = { open };
  dispatchEvent(new Event("catalyst-terminal-ready"));
} catch (error) {
  console.error(error);
  dispatchEvent(new Event("catalyst-terminal-failed"));
}
