// Images, PDFs and texts that go with a message: taken by button, paste and drop, shown small, sent as Claude's blocks.

import { icon, iconButton, make } from "../shell/elements.js";

const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
/** What the service takes, in bytes. */
const LARGEST = /** @type {Record<string, number>} */ ({ image: 5 * 1024 * 1024, pdf: 24 * 1024 * 1024, text: 1024 * 1024 });
/** What is sent as text, whatever the system calls it. */
const TEXTS = /\.(txt|md|csv|tsv|json|xml|ya?ml|toml|log|rs|py|js|mjs|ts|go|java|c|h|cpp|sql|sh|css|html?)$/i;
const MOST = 20;

/** @param {any} block A small picture of it, drawn on a canvas: no address of it is ever loaded. */
export function preview(block) {
  const { source, title, type } = block;
  if (type === "document") return make("span", { class: "chip" }, icon("file"), make("span", {}, title ?? "Document"));
  const canvas = make("canvas", { class: "thumb", role: "img", "aria-label": title ?? "An image" });
  if (source?.type === "base64") void draw(canvas, source);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {{ data: string, media_type: string }} source */
async function draw(canvas, { data, media_type }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: media_type })).catch(() => null);
  if (!image) return;
  const scale = Math.min(1, 480 / Math.max(image.width, image.height));
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
}

/** What waits to be sent. */
export class Attachments {
  /** @type {any[]} */
  blocks = [];

  /** @param {HTMLElement} place @param {(words: string) => void} complain */
  constructor(place, complain) {
    this.place = place;
    this.complain = complain;
  }

  /** @param {Iterable<File>} files Whether any of them was taken. */
  take(files) {
    const all = [...files];
    for (const file of all) void this.#add(file);
    return all.length > 0;
  }

  clear() {
    this.blocks = [];
    this.#show();
  }

  /** @param {File} file */
  async #add(file) {
    const kind = IMAGES.includes(file.type) ? "image" : file.type === "application/pdf" ? "pdf" : TEXTS.test(file.name) || file.type === "text/plain" ? "text" : "";
    const most = LARGEST[kind];
    if (!most) return this.complain(`${file.name}: only images (PNG, JPEG, GIF, WebP), PDFs and texts can be sent`);
    if (file.size > most) return this.complain(`${file.name} is larger than ${Math.round(most / 1024 / 1024)} MB`);
    if (this.blocks.length >= MOST) return this.complain(`At most ${MOST} files go with a message`);
    if (kind === "text") this.blocks.push(cited(file.name, { type: "text", media_type: "text/plain", data: await file.text() }));
    else {
      const source = { type: "base64", media_type: file.type, data: base64(new Uint8Array(await file.arrayBuffer())) };
      this.blocks.push(kind === "image" ? { type: "image", source } : cited(file.name, source));
    }
    this.#show();
  }

  #show() {
    this.place.replaceChildren(...this.blocks.map((block) => {
      const away = () => {
        this.blocks = this.blocks.filter((other) => other !== block);
        this.#show();
      };
      return make("span", { class: "attachment" }, preview(block), iconButton("close", "Take it away", { onclick: away }));
    }));
    this.place.hidden = this.blocks.length === 0;
  }
}

/** A document, of which answers say where they have what they say. @param {string} title @param {any} source */
function cited(title, source) {
  return { type: "document", source, title, citations: { enabled: true } };
}

/** @param {Uint8Array} bytes */
function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
