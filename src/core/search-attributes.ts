/**
 * The search attributes of jobs, for filters in Temporal's Web UI and `list`. The embedded server starts with
 * them; on other servers `durable-batch setup` registers them once (docs/web-ui.md).
 */
export const searchAttributes = {
  /** A `JobState`. */
  status: { name: 'DurableBatchStatus', type: 'KEYWORD' },
  /** Models of the job's lines. */
  models: { name: 'DurableBatchModels', type: 'KEYWORD_LIST' },
  /** The account that pays, as the user names it. */
  account: { name: 'DurableBatchAccount', type: 'KEYWORD' },
  /** Ids of the latest batches in flight: a value may have 2 KB. */
  batchIds: { name: 'DurableBatchBatchIds', type: 'KEYWORD_LIST' },
  /** The schedule that started the job. */
  schedule: { name: 'DurableBatchSchedule', type: 'KEYWORD' },
} as const;

/** A value may have 2,048 bytes by default (dynamic configuration `limit.searchAttributeSizeOfValueLimit`, Temporal 1.32). */
const LIST_BYTES = 1_900;

/** SQL databases limit a keyword to 255 characters. */
const KEYWORD_CHARACTERS = 255;

/** The first keywords of a list that fit into one value together; a keyword that is too long is left out. */
export function fittingKeywords(keywords: Iterable<string>): string[] {
  const fitting: string[] = [];
  let bytes = 2;
  for (const keyword of keywords) {
    if (keyword.length > KEYWORD_CHARACTERS) continue;
    bytes += jsonBytes(keyword) + 1;
    if (bytes > LIST_BYTES) break;
    fitting.push(keyword);
  }
  return fitting;
}

/** An upper bound of the bytes of a keyword as JSON in UTF-8: four for each character that is not ASCII. */
function jsonBytes(keyword: string): number {
  let bytes = 0;
  for (const character of JSON.stringify(keyword)) bytes += character > '~' ? 4 : 1;
  return bytes;
}
