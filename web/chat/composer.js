// Where messages are written: grows with the text, keeps a draft, minds input methods, takes files. One place for the button: Send, or Stop.

import { find, icon, say } from "../shell/elements.js";
import { Attachments } from "./attachments.js";

export class Composer {
  field = /** @type {HTMLTextAreaElement} */ (find("#message"));
  #form = /** @type {HTMLFormElement} */ (find("#composer"));
  #button = /** @type {HTMLButtonElement} */ (find("#send"));
  #hint = find("#composer-hint");
  #files = /** @type {HTMLInputElement} */ (find("#files"));
  #running = false;
  #draft = "";
  attachments = new Attachments(find("#attachments"), (words) => this.complain(words));

  /** @param {{ send: (content: any) => void, stop: () => void }} on */
  constructor(on) {
    this.on = on;
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    this.field.oninput = () => this.#changed();
    this.field.onkeydown = (event) => this.#key(event);
    this.field.onpaste = (event) => {
      const files = event.clipboardData?.files ?? new FileList();
      if (files.length > 0 && this.attachments.take(files)) event.preventDefault();
    };
    find("#attach").onclick = () => this.#files.click();
    this.#files.onchange = () => {
      this.attachments.take(this.#files.files ?? []);
      this.#files.value = "";
    };
    this.#button.onclick = (event) => {
      if (!this.#running) return;
      event.preventDefault();
      this.on.stop();
    };
    this.#drop();
    // Until here a form would have gone nowhere.
    this.#button.disabled = false;
  }

  /** Whose draft this is: it survives reloads and other conversations. What was written before the scripts were there is one too. @param {string} conversation */
  open(conversation) {
    const early = this.#draft ? "" : this.field.value;
    this.#draft = `draft:${conversation}`;
    this.field.value = early || (localStorage.getItem(this.#draft) ?? "");
    this.attachments.clear();
    this.#changed();
  }

  /** The same text, for the conversation that there is now. @param {string} conversation */
  moveTo(conversation) {
    localStorage.removeItem(this.#draft);
    this.#draft = `draft:${conversation}`;
    this.#changed();
  }

  /** @param {boolean} running */
  set running(running) {
    if (running === this.#running) return;
    this.#running = running;
    this.#show();
  }

  /** Puts a message back that could not be sent. @param {any} content */
  giveBack(content) {
    const text = typeof content === "string" ? content : content.filter((/** @type {any} */ { type }) => type === "text").map((/** @type {any} */ { text }) => text).join("");
    if (typeof content !== "string") this.attachments.blocks.push(...content.filter((/** @type {any} */ { type }) => type !== "text"));
    this.field.value = [text, this.field.value].filter(Boolean).join("\n");
    this.#changed();
  }

  /** @param {string} words */
  complain(words) {
    const place = find("#complaint");
    place.hidden = words === "";
    say(place, words);
    if (words) setTimeout(() => place.textContent === words && this.complain(""), 8000);
  }

  #submit() {
    const text = this.field.value.trim();
    const { blocks } = this.attachments;
    if (text === "" && blocks.length === 0) return;
    this.field.value = "";
    this.attachments.clear();
    this.#changed();
    this.on.send(blocks.length > 0 ? [...blocks, ...(text ? [{ type: "text", text }] : [])] : text);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // The Enter that confirms a candidate of an input method is no Enter; some browsers say so by the code only.
    if (event.isComposing || event.keyCode === 229 || event.key !== "Enter" || event.shiftKey) return;
    if (matchMedia("(pointer: coarse)").matches && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#submit();
  }

  #changed() {
    if (this.#draft) {
      if (this.field.value) localStorage.setItem(this.#draft, this.field.value);
      else localStorage.removeItem(this.#draft);
    }
    // Where the browser does not grow fields by itself.
    if (!CSS.supports("field-sizing", "content")) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
    this.#show();
  }

  #show() {
    const label = this.#running ? "Stop" : "Send";
    if (this.#button.getAttribute("aria-label") !== label) {
      this.#button.replaceChildren(icon(this.#running ? "stop" : "send"));
      this.#button.setAttribute("aria-label", label);
      this.#button.title = this.#running ? "Stop (Esc)" : "Send (Enter)";
      this.#button.type = this.#running ? "button" : "submit";
    }
    this.#button.dataset.stops = String(this.#running);
    say(this.#hint, this.#running ? (this.field.value.trim() ? "Enter queues it" : "Esc stops") : "");
  }

  #drop() {
    const over = (/** @type {boolean} */ on) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      over(true);
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && over(false));
    addEventListener("drop", (event) => {
      over(false);
      if (event.dataTransfer?.files.length) {
        event.preventDefault();
        this.attachments.take(event.dataTransfer.files);
      }
    });
  }
}
