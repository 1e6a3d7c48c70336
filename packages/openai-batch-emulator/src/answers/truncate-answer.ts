import type { JsonObject } from './answer.ts';
import { byteLength } from './request-text.ts';
import { BYTES_PER_TOKEN, tokensOfText } from './token-estimate.ts';

/** An answer after `stop` and the token limit. */
export interface TruncatedAnswer {
  text: string;
  tokens: number;
  /** Whether the token limit has cut it. */
  isTruncated: boolean;
}

/** Cuts a text before the first stop sequence or after `maxTokens`, whichever comes first. */
export function truncateAnswer(text: string, stop: unknown, maxTokens: unknown): TruncatedAnswer {
  const ended = stop === undefined || stop === null ? text : beforeStop(text, stop);
  const tokens = tokensOfText(ended);
  if (typeof maxTokens !== 'number' || tokens <= maxTokens)
    return { text: ended, tokens, isTruncated: false };
  return { text: firstBytes(ended, maxTokens * BYTES_PER_TOKEN), tokens: maxTokens, isTruncated: true };
}

/** The tokens in log probabilities: pieces of up to four bytes that do not cut characters. */
export function tokenPieces(text: string): string[] {
  const pieces: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const character of text) {
    const more = byteLength(character);
    if (bytes + more > BYTES_PER_TOKEN && piece !== '') {
      pieces.push(piece);
      piece = '';
      bytes = 0;
    }
    piece += character;
    bytes += more;
  }
  if (piece !== '') pieces.push(piece);
  return pieces;
}

/** The log probabilities of a text in the form of chat completions and responses; always the same for the same text. */
export function logprobsOf(text: string, alternatives: number): JsonObject[] {
  return tokenPieces(text).map((token) => {
    const named = (piece: string, logprob: number): JsonObject => ({
      token: piece,
      logprob,
      bytes: [...Buffer.from(piece)],
    });
    const others = Array.from({ length: alternatives }, (_, i) =>
      named(i === 0 ? token : `${token}${i}`, -0.01 - i),
    );
    return { ...named(token, -0.01), top_logprobs: others };
  });
}

function beforeStop(text: string, stop: unknown): string {
  const sequences = (Array.isArray(stop) ? stop : [stop]).filter(
    (each): each is string => typeof each === 'string' && each !== '',
  );
  const ends = sequences.map((each) => text.indexOf(each)).filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

function firstBytes(text: string, most: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(most, bytes.length);
  // A byte of the form 10xxxxxx continues a character.
  while (end > 0 && end < bytes.length && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
