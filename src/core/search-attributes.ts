/**
 * The search attributes of jobs, by which Temporal's Web UI and `list` find them. The embedded server is started with
 * them; elsewhere `durable-batch setup` registers them once (docs/web-ui.md).
 */
export const searchAttributes = {
  /** A `JobState`. */
  status: { name: 'DurableBatchStatus', type: 'KEYWORD' },
  /** Models of the job's lines. */
  models: { name: 'DurableBatchModels', type: 'KEYWORD_LIST' },
  /** Whose money it is, as the user calls it. */
  account: { name: 'DurableBatchAccount', type: 'KEYWORD' },
  /** Ids of batches in flight, the latest ones: a value may have 2 KB. */
  batchIds: { name: 'DurableBatchBatchIds', type: 'KEYWORD_LIST' },
  /** The schedule that started the job. */
  schedule: { name: 'DurableBatchSchedule', type: 'KEYWORD' },
} as const;

/** A value may have 2,048 bytes by default (dynamic configuration `limit.searchAttributeSizeOfValueLimit`, Temporal 1.32). */
const LIST_BYTES = 1_900;

/** SQL databases keep a keyword in 255 characters. */
const KEYWORD_CHARACTERS = 255;

/** The first words of a list that fit into one value together; a word that is too long by itself is left out. */
export function fittingKeywords(words: Iterable<string>): string[] {
  const fitting: string[] = [];
  let bytes = 2;
  for (const word of words) {
    if (word.length > KEYWORD_CHARACTERS) continue;
    bytes += jsonBytes(word) + 1;
    if (bytes > LIST_BYTES) break;
    fitting.push(word);
  }
  return fitting;
}

/** Bytes of a word as JSON in UTF-8, counted high: four for whatever is not ASCII. */
function jsonBytes(word: string): number {
  let bytes = 0;
  for (const character of JSON.stringify(word)) bytes += character > '~' ? 4 : 1;
  return bytes;
}
