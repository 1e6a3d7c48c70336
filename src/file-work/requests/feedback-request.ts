import { Endpoint } from '../../core/limits.ts';
import { withoutLoneSurrogates } from '../../core/lone-surrogates.ts';
import type { ShardManifest } from '../../core/shard-plan.ts';
import { bodyMember } from './body-member.ts';
import { escapeSeparators } from './separators.ts';

/** The parts that were added to a request: pairs of offset and length in bytes, ascending. */
export type AddedParts = readonly number[];

/** A request with messages at the end of its conversation. */
export interface RequestWithFeedback {
  readonly bytes: Buffer;
  readonly parts: AddedParts;
}

const QUOTE = 0x22;
const OPEN_BRACKET = 0x5b;

/**
 * Adds messages to an uploaded request of chat completions or responses; null if it has no conversation. An input that is a text becomes
 * the first message. All other bytes stay as they are.
 */
export function addFeedback(
  request: Buffer,
  endpoint: string,
  messages: readonly unknown[],
): RequestWithFeedback | null {
  const span = bodyMember(request, endpoint === Endpoint.Responses ? 'input' : 'messages');
  if (span === null) return null;
  const [start, end] = span;
  const added = messages.map((message) => withoutLoneSurrogates(JSON.stringify(message))).join(',');
  if (request[start] === OPEN_BRACKET) return insert(request, [[end - 1, `,${added}`]]);
  if (request[start] !== QUOTE) return null;
  return insert(request, [
    [start, '[{"role":"user","content":'],
    [end, `},${added}]`],
  ]);
}

/** A request without the parts that were added to it. */
export function firstRequest(request: Buffer, parts: AddedParts = []): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let i = 0; i < parts.length; i += 2) {
    pieces.push(request.subarray(from, parts[i]));
    from = parts[i]! + parts[i + 1]!;
  }
  return from === 0 ? request : Buffer.concat([...pieces, request.subarray(from)]);
}

/** The added parts of the requests of a shard, by line. */
export function addedParts({ feedback = [] }: ShardManifest): Map<number, AddedParts> {
  return new Map(feedback.map(([line, ...parts]) => [line, parts]));
}

function insert(
  request: Buffer,
  texts: readonly (readonly [at: number, text: string])[],
): RequestWithFeedback {
  const pieces: Buffer[] = [];
  const parts: number[] = [];
  let from = 0;
  let grown = 0;
  for (const [at, text] of texts) {
    const piece = escapeSeparators(Buffer.from(text));
    pieces.push(request.subarray(from, at), piece);
    parts.push(at + grown, piece.length);
    from = at;
    grown += piece.length;
  }
  return { bytes: Buffer.concat([...pieces, request.subarray(from)]), parts };
}
