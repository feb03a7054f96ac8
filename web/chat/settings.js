// Settings: of a conversation (model, instructions, thinking, length, tools), and of the page (how thinking shows, what the view does, speech).

import { find, make, say } from "../shell/elements.js";
import { dialog } from "../shell/shell.js";

/** @typedef {{ model: string, system: string | null, settings: { thinking: boolean | "omitted", max_tokens: number, tools: string[] } }} Choice */

const DEFAULTS = "defaults";

/** What a new conversation begins with: what was chosen last. @param {any} session @returns {Choice} */
export function defaults(session) {
  const known = JSON.parse(localStorage.getItem(DEFAULTS) ?? "null");
  const models = modelsOf(session).map(({ id }) => id);
  const usual = models.find((id) => id.includes("sonnet")) ?? models[0] ?? "claude-sonnet-5-5";
  const model = known && (models.length === 0 || models.includes(known.model)) ? known.model : usual;
  return { model, system: known?.system ?? null, settings: { thinking: true, max_tokens: 8192, tools: [], ...known?.settings } };
}

/** @param {any} session @returns {{ id: string, name: string, window: number | null }[]} */
export function modelsOf(session) {
  return (session?.models ?? []).map((/** @type {any} */ model) => (typeof model === "string" ? { id: model, name: model, window: null } : { id: model.id, name: model.display_name ?? model.id, window: model.context_window ?? model.max_input_tokens ?? null }));
}

/** Says on the composer what is asked. @param {any} session @param {Choice} choice */
export function summary(session, { model, settings }) {
  say(find("#model"), modelsOf(session).find(({ id }) => id === model)?.name ?? model);
  const parts = [settings?.thinking ? "thinking" : "", settings?.tools?.length ? `${settings.tools.length} tool${settings.tools.length > 1 ? "s" : ""}` : ""].filter(Boolean);
  say(find("#chosen"), parts.join(", "));
}

/** @param {any} session @param {Choice} choice @param {(choice: Choice) => void} save */
export function openSettings(session, choice, save) {
  const models = modelsOf(session);
  if (!models.some(({ id }) => id === choice.model)) models.unshift({ id: choice.model, name: choice.model, window: null });
  const model = select("Model", models.map(({ id, name }) => [id, name]), choice.model);
  const system = make("textarea", { rows: 4, placeholder: "What the model should know or be, in every answer", value: choice.system ?? "" });
  const thinking = select("Thinking", [["true", "Shown"], ["omitted", "Hidden"], ["false", "Off"]], String(choice.settings.thinking ?? true));
  const most = make("input", { type: "number", min: 1, max: 200000, step: 1, value: String(choice.settings.max_tokens ?? 8192) });
  const tools = (session?.tools ?? []).map((/** @type {any} */ tool) => (typeof tool === "string" ? { name: tool, description: "" } : tool)).map((/** @type {any} */ { name, description }) => {
    const box = make("input", { type: "checkbox", value: name, checked: choice.settings.tools?.includes(name) ?? false });
    return make("label", { class: "check", title: description || null }, box, name);
  });
  const form = make("form", { class: "settings" },
    make("fieldset", {},
      make("legend", {}, "This conversation"),
      field("Model", model),
      field("Instructions", system),
      make("div", { class: "pair" }, field("Thinking", thinking), field("Longest answer, tokens", most)),
      tools.length > 0 && make("div", { class: "field" }, "Tools", make("div", { class: "checks", role: "group", "aria-label": "Tools" }, ...tools)),
    ),
    make("fieldset", {},
      make("legend", {}, "This browser"),
      field("Thinking panels", page("thinking", [["auto", "One line that ticks"], ["open", "Always open"]], "auto")),
      field("While an answer comes", page("scroll", [["pin", "Keep the question in place"], ["follow", "Follow the end"]], "pin")),
      field("Screen reader", page("speech", [["boundaries", "Says when answers begin and end"], ["sentences", "Reads answers by the sentence"]], "boundaries")),
    ),
    make("div", { class: "dialog-actions" }, make("button", { type: "submit", class: "button main" }, "Done")),
  );
  const window = dialog("Settings", form);
  form.onsubmit = (event) => {
    event.preventDefault();
    window.close();
  };
  window.addEventListener("close", () => {
    const chosen = {
      model: model.value,
      system: system.value.trim() || null,
      settings: {
        thinking: thinking.value === "omitted" ? /** @type {const} */ ("omitted") : thinking.value === "true",
        max_tokens: Math.max(1, Number(most.value) || 8192),
        tools: [...form.querySelectorAll(".checks input:checked")].map((box) => /** @type {HTMLInputElement} */ (box).value),
      },
    };
    localStorage.setItem(DEFAULTS, JSON.stringify(chosen));
    save(chosen);
  });
}

/** A choice that is this browser's own. @param {string} name @param {string[][]} options @param {string} usual */
function page(name, options, usual) {
  const element = select(name, options, localStorage.getItem(name) ?? usual);
  element.onchange = () => {
    localStorage.setItem(name, element.value);
    for (const panel of document.querySelectorAll(".thinking")) panel.dispatchEvent(new Event("thinkingchange"));
  };
  return element;
}

/** @param {string} label @param {string[][]} options @param {string} chosen */
function select(label, options, chosen) {
  const element = make("select", { "aria-label": label }, ...options.map(([value, words]) => make("option", { value: value ?? "" }, words)));
  element.value = chosen;
  return element;
}

/** @param {string} words @param {HTMLElement} control */
function field(words, control) {
  return make("label", { class: "field" }, words, control);
}
