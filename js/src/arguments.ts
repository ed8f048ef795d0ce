// What callers hand to this package, checked before any of it reaches the engine: a mistake is a TypeError that names it.

// More of them is no request that a server took.
const MAX_ITEMS = 16_384;

/**
 * The member of an object, unless only the root of its prototypes has it: what another library puts on
 * `Object.prototype` says nothing of this object.
 */
export function memberOf(object: object, name: string): unknown {
  const value = (object as Record<string, unknown>)[name];
  return value === undefined || Object.hasOwn(object, name) || isOfClass(object, name) ? value : undefined;
}

function isOfClass(object: object, name: string): boolean {
  const prototype: object | null = Object.getPrototypeOf(object);
  // The root has none itself.
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return false;
  return Object.hasOwn(prototype, name) || isOfClass(prototype, name);
}

/** The value, if it is an object; `expected` says what would be right, as in `expected a policy`. */
export function object<Kind extends object>(caller: string, value: Kind, expected: string): Kind {
  if (typeof value !== "object" || value === null) throw new TypeError(`${caller}: ${expected}, got ${kind(value)}`);
  return value;
}

/** The members of these names, each its own whatever `Object.prototype` holds. Others are a TypeError: they are misspelt. */
export function optionsOf(caller: string, options: object, names: readonly string[]): Record<string, unknown> {
  const unknown = Object.keys(options).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new TypeError(`${caller}: unknown option ${unknown.join(", ")}; the options are ${names.join(", ")}`);
  }
  return Object.fromEntries(names.map((name) => [name, memberOf(options, name)]));
}

/** The value, if it is of this primitive kind, or undefined. */
export function optional<Kind>(what: string, value: unknown, expected: string): Kind | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== expected) throw new TypeError(`${what}: expected a ${expected}, got ${kind(value)}`);
  return value as Kind;
}

/** The value, if it is a string. */
export function string(caller: string, name: string, value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`${caller}: ${name}: expected a string, got ${kind(value)}`);
  return value;
}

/** A list of one's own of the strings in a list; undefined where it is none, or holds something else. */
export function strings(value: unknown): string[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_ITEMS) return undefined;
  const items: string[] = [];
  for (let at = 0; at < value.length; at += 1) {
    const item: unknown = value[at];
    if (typeof item !== "string") return undefined;
    items.push(item);
  }
  return items;
}

/** Names the kind of a value, for a message. */
export function kind(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value;
}
