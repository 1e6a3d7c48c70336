import { BatchRefusal, type BatchErrorEntry } from '../core/batch-status.ts';

/**
 * Returns the limit of enqueued tokens that the message of a refusal names; null if it names none.
 * Message: `… Limit: 2,000,000 enqueued tokens. …` (openai-python#2084).
 */
export function statedTokenLimit(entries: readonly BatchErrorEntry[]): number | null {
  for (const { message, line } of entries) {
    const named = line === null ? /limit:\s*([\d,]+)\s+enqueued tokens/i.exec(message)?.[1] : undefined;
    const tokens = Number(named?.replaceAll(',', '') ?? 0);
    if (Number.isSafeInteger(tokens) && tokens > 0) return tokens;
  }
  return null;
}

/**
 * Returns the kind of a refusal after which the same lines may be sent again unchanged; null for any other, such as bad lines.
 * Messages: `Enqueued token limit reached for …` (openai-python#2084), `Cannot find file …, or organization …`.
 */
export function refusalOf(entries: readonly BatchErrorEntry[]): BatchRefusal | null {
  for (const { code, message, line } of entries) {
    // An error about a line may quote its prompt.
    const text = line === null ? message : '';
    if (code === 'token_limit_exceeded' || /enqueued token/i.test(text)) return BatchRefusal.TokenLimit;
    if (/billing|insufficient_quota/i.test(code) || /billing hard limit/i.test(text))
      return BatchRefusal.Billing;
    if (line === null && (/cannot find file/i.test(text) || code === 'file_not_found'))
      return BatchRefusal.FileNotFound;
  }
  return null;
}
