import { hash } from 'node:crypto';

/**
 * Identifies a request line across batches: 64 bits of a hash of its custom_id and its body. The members of objects are
 * hashed in alphabetical order, so that a re-serialised body has the same key.
 */
export interface LineKey {
  hi: number;
  lo: number;
  text: string;
}

export function lineKey(customId: string, body: unknown): LineKey {
  const text = hash('sha1', `${customId}\n${canonicalJson(body)}`, 'hex').slice(0, 16);
  return { hi: Number.parseInt(text.slice(0, 8), 16), lo: Number.parseInt(text.slice(8), 16), text };
}

function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  const members = Object.entries(value);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(',')}}`;
}
