// The platform's text codecs, which build.mjs puts wherever a bundle names them. Jest's jsdom environment hides Node's.

type Codecs = Pick<typeof globalThis, "TextDecoder" | "TextEncoder">;
type Platform = Partial<Codecs> & { process?: { getBuiltinModule?(name: string): Codecs } };

const platform = globalThis as Platform;
const codecs = platform.TextDecoder ? (platform as Codecs) : platform.process?.getBuiltinModule?.("node:util");

export const TextDecoder = codecs?.TextDecoder;
export const TextEncoder = codecs?.TextEncoder;
