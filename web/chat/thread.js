// The thread: the turns of one conversation on the page, held against what the gateway says, without a node being made twice.

import { inOrder, make } from "../shell/elements.js";
import { AssistantTurn } from "./turn.js";
import { UserTurn } from "./user-turn.js";

/**
 * @typedef {import("./turn.js").Around & import("./user-turn.js").AroundUser} Everything
 * @typedef {{ element: HTMLElement, user: UserTurn | null, key: string }} Exchange
 */

export class Thread {
  /** @type {any} */
  conversation = null;
  /** @type {Map<string, AssistantTurn | UserTurn>} */
  #views = new Map();
  /** By the question's turn. @type {Map<string, Exchange>} */
  #exchanges = new Map();
  /** The branch that is shown, from the first turn on. @type {any[]} */
  path = [];
  /** Turns that stand at the same place. @type {Map<string, any[]>} */
  #versions = new Map();
  /** What was sent and has no name yet. @type {{ exchange: Exchange, user: UserTurn, assistant: AssistantTurn }[]} */
  #expected = [];

  /** @param {HTMLElement} place @param {Omit<Everything, "siblings">} around */
  constructor(place, around) {
    this.place = place;
    /** @type {Everything} */
    this.around = { ...around, siblings: (turn) => this.siblings(turn) };
  }

  /** Another conversation, or none. */
  clear() {
    for (const view of this.#views.values()) if (view instanceof AssistantTurn) view.dispose();
    this.#views.clear();
    this.#exchanges.clear();
    for (const { assistant } of this.#expected) assistant.dispose();
    this.#expected = [];
    this.conversation = null;
    this.path = [];
    this.place.replaceChildren();
  }

  /** The answer that is being made in what is shown, if any. @returns {AssistantTurn | null} */
  get running() {
    const views = [...this.assistants, ...this.#expected.map(({ assistant }) => assistant)];
    return views.find(({ state }) => state === "running") ?? views.find(({ state }) => state === "queued") ?? null;
  }

  get assistants() {
    return this.path.map(({ id }) => this.#views.get(id)).filter((view) => view instanceof AssistantTurn);
  }

  /** The exchange at the end. */
  get last() {
    return /** @type {HTMLElement | null} */ (this.place.lastElementChild);
  }

  /** What was asked for this answer, or before it. @param {any} turn */
  question({ id }) {
    const at = this.path.findIndex((other) => other.id === id);
    const asked = this.path.findLast(({ role, by }, before) => before <= at && role === "user" && by !== "tools");
    return this.#exchanges.get(asked?.id)?.user;
  }

  /** The versions of a turn, this one among them. @param {any} turn @returns {any[]} */
  siblings(turn) {
    return this.#versions.get(kind(turn)) ?? [];
  }

  /** What is known now. @param {any} conversation */
  update(conversation) {
    this.conversation = conversation;
    this.#versions.clear();
    for (const turn of conversation.turns) this.#versions.set(kind(turn), [...(this.#versions.get(kind(turn)) ?? []), turn]);
    this.path = pathOf(conversation);
    /** @type {HTMLElement[]} */
    const shown = [];
    /** @type {Exchange | null} */
    let exchange = null;
    /** @type {AssistantTurn[]} */
    let group = [];
    const ids = new Set(this.path.map(({ id }) => id));
    for (const turn of this.path) {
      if (turn.role === "user" && turn.by === "tools") {
        for (const view of group) view.results(turn.content);
        continue;
      }
      const asked = turn.role === "user";
      if (asked || !exchange) {
        exchange = this.#exchange(turn);
        shown.push(exchange.element);
        for (const view of exchange.element.querySelectorAll(".turn.assistant")) if (!ids.has(/** @type {HTMLElement} */ (view).dataset.turn)) view.remove();
        group = [];
      }
      if (asked) continue;
      const view = this.#assistant(turn);
      group.push(view);
      if (view.element.parentNode !== exchange.element) exchange.element.append(view.element);
    }
    shown.push(...this.#expected.map(({ exchange: { element } }) => element));
    inOrder(this.place, shown);
    this.#forget();
  }

  /** Shows at once what is being sent. @param {any} content @param {boolean} queued */
  expect(content, queued) {
    const user = new UserTurn(this.around, { id: `new-${Date.now()}`, role: "user", parent: "?", content });
    const assistant = new AssistantTurn(this.around, { id: `${user.turn.id}-answer`, role: "assistant", parent: user.turn.id, content: [], state: queued ? "queued" : "running" });
    assistant.state = queued ? "queued" : "running";
    assistant.asked = true;
    const element = make("section", { class: "exchange" }, user.element, assistant.element);
    const expected = { exchange: { element, user, key: "" }, user, assistant };
    this.#expected.push(expected);
    this.place.append(element);
    return {
      element,
      assistant,
      /** It has names now. @param {any} sent @param {any} answer */
      adopt: (sent, answer) => {
        this.#expected = this.#expected.filter((other) => other !== expected);
        this.#views.set(sent.id, user);
        this.#views.set(answer.id, assistant);
        this.#exchanges.set(sent.id, { element, user, key: sent.id });
        user.update(sent);
        assistant.update(answer);
      },
      withdraw: () => {
        this.#expected = this.#expected.filter((other) => other !== expected);
        assistant.dispose();
        element.remove();
      },
    };
  }

  /** @param {any} turn @returns {Exchange} */
  #exchange(turn) {
    const known = this.#exchanges.get(turn.id);
    if (known) {
      known.user?.update(turn);
      return known;
    }
    const user = turn.role === "user" ? new UserTurn(this.around, turn) : null;
    if (user) this.#views.set(turn.id, user);
    const made = { element: make("section", { class: "exchange" }, user?.element), user, key: turn.id };
    this.#exchanges.set(turn.id, made);
    return made;
  }

  /** @param {any} turn */
  #assistant(turn) {
    const known = this.#views.get(turn.id);
    const view = known instanceof AssistantTurn ? known : new AssistantTurn(this.around, turn);
    this.#views.set(turn.id, view);
    view.update(turn);
    return view;
  }

  /** Answers of other branches are not read on; shown again, they are built again. */
  #forget() {
    const shown = new Set(this.path.map(({ id }) => id));
    for (const [id, view] of this.#views) {
      if (shown.has(id) || !(view instanceof AssistantTurn) || !view.running) continue;
      view.dispose();
      this.#views.delete(id);
    }
  }
}

/** What the versions of a turn have in common. @param {any} turn */
const kind = ({ parent, role, by, continues }) => `${parent} ${role} ${by ?? ""} ${Boolean(continues)}`;

/** From the first turn to the head, and on to what came after it. @param {any} conversation @returns {any[]} */
export function pathOf({ turns = [], head }) {
  const byId = new Map(turns.map((/** @type {any} */ turn) => [turn.id, turn]));
  const path = [];
  for (let turn = byId.get(head) ?? null; turn; turn = byId.get(turn.parent) ?? null) path.push(turn);
  path.reverse();
  return [...path, ...after(turns, path.at(-1)?.id ?? null)];
}

/** From a turn on, the newest of each fork. @param {any[]} turns @param {string | null} id */
export function after(turns, id) {
  const path = [];
  const newest = new Map(turns.map((turn) => [turn.parent ?? null, turn]));
  for (let next = newest.get(id); next; next = newest.get(next.id)) path.push(next);
  return path;
}
