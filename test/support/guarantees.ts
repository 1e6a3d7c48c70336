/**
 * The guarantees of every job, however it ends. Each test with a job checks them against the simulated API, which knows what it
 * ran, what was paid and what was read, and against the job's rows.
 */

/** A batch, as known to the API. */
export interface BatchFacts {
  readonly id: string;
  readonly isEnded: boolean;
  /** True when it has answers that were not read. */
  readonly isUnread: boolean;
}

/** A line, as known to the API. */
export interface LineFacts {
  readonly line: number;
  /** How often it was answered. */
  readonly paid: number;
  /** Batches that have or had an answer to it. */
  readonly batches: readonly string[];
  /** True when an answer to it can be read from the API, or was read. */
  readonly isReadable: boolean;
}

/** The part of a job's row that shows what became of a paid answer. */
export interface RowFacts {
  readonly line: number;
  readonly status: string;
  readonly error: { readonly code: string } | null;
}

/** Losses that a test expects and no guarantee covers. */
export interface Losses {
  /** Lines whose paid answer the API lost without a trace, and which were bought again. @default 0 */
  readonly paidTwice?: number;
  /** Batches whose answers the API never offers. @default 0 */
  readonly unread?: number;
  /** True when the job has not ended, so that batches may be running. @default false */
  readonly runs?: boolean;
}

/** Codes of rows of failed lines that were answered. */
const withAnswer: ReadonlySet<string> = new Set([
  'answer_unreadable',
  'answer_invalid',
  'answer_refused',
  'answer_cut',
]);

/**
 * Returns the broken guarantees: ended batches that were not read, paid answers that are in no row, lines paid twice. Without losses
 * the ledger's sums are not checked.
 */
export function brokenGuarantees(
  api: { readonly batches: readonly BatchFacts[]; readonly lines: readonly LineFacts[] },
  rows: readonly RowFacts[] | null,
  losses: Losses | null = {},
): string[] {
  const broken = losses === null ? [] : brokenSums(api, losses);
  if (rows === null) return broken;
  const byLine = new Map(rows.map((row) => [row.line, row]));
  for (const { line, paid, isReadable } of api.lines) {
    if (paid === 0 || !isReadable) continue;
    const row = byLine.get(line);
    // The answer is in a row that cannot be read, or is in the row and wrong.
    if (row?.status === 'answered' || withAnswer.has(row?.error?.code ?? '')) continue;
    broken.push(`line ${line} is paid, and its row says ${row === undefined ? 'nothing' : describe(row)}`);
  }
  return broken;
}

function brokenSums(
  api: { readonly batches: readonly BatchFacts[]; readonly lines: readonly LineFacts[] },
  { paidTwice = 0, unread = 0, runs = false }: Losses,
): string[] {
  const broken: string[] = [];
  if (!runs) {
    for (const { id } of api.batches.filter(({ isEnded }) => !isEnded))
      broken.push(`${id} is still running, and no job watches it`);
    const left = api.batches.filter(({ isUnread }) => isUnread).map(({ id }) => id);
    if (left.length !== unread)
      broken.push(`${left.length} ended batches unread instead of ${unread}: ${left.join()}`);
  }
  const twice = api.lines.filter(({ paid }) => paid > 1);
  if (twice.length !== paidTwice)
    broken.push(
      `${twice.length} lines paid twice instead of ${paidTwice}: ${twice.map(({ line, batches }) => `${line} in ${batches.join(' and ')}`).join()}`,
    );
  return broken;
}

/** The emulator's batches and lines, from its admin routes. */
export async function factsOfEmulator(emulator: {
  readonly url: string;
  readonly adminUrl: string;
}): Promise<{ batches: BatchFacts[]; lines: LineFacts[] }> {
  const text = await (await fetch(`${emulator.adminUrl}/ledger?all=1`)).text();
  const ledger = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LedgerRow);
  const summary = (await (await fetch(`${emulator.adminUrl}/ledger`)).json()) as {
    batches_unread: number;
  };
  const running = ['validating', 'in_progress', 'finalizing', 'cancelling'];
  const batches = (await batchesOf(emulator.url)).map(({ id, status }) => ({
    id,
    isEnded: !running.includes(status.toLowerCase()),
    isUnread: false,
  }));
  // Only the number of unread batches is known.
  for (let i = 0; i < summary.batches_unread; i += 1)
    batches.push({ id: `unread ${i + 1}`, isEnded: true, isUnread: true });
  const lines = ledger.map(({ custom_id, paid, batches: ids, downloaded }) => ({
    line: Number(custom_id),
    paid,
    batches: ids,
    isReadable: downloaded,
  }));
  return { batches, lines };
}

interface LedgerRow {
  readonly custom_id: string;
  readonly paid: number;
  readonly batches: string[];
  readonly downloaded: boolean;
}

/** Time limit of the list. */
const LIST_MS = 10_000;

/** Time limit of a single read, and how often it is tried: some faults hold the response for ever. */
const READ_MS = 2_000;
const MOST_READS = 5;

async function batchesOf(url: string): Promise<{ id: string; status: string }[]> {
  const batches: { id: string; status: string }[] = [];
  for (let after = ''; ;) {
    // Faults of the list apply here as well: then only the ledger is checked.
    const response = await fetch(`${url}/batches?limit=100${after}`, {
      headers: { authorization: 'Bearer test' },
      signal: AbortSignal.timeout(LIST_MS),
    }).catch(() => null);
    if (response?.ok !== true) return [];
    const body = (await response.json().catch(() => null)) as {
      data?: { id: string; status: string }[];
      has_more?: boolean;
    } | null;
    const data = body?.data ?? [];
    const fresh = data.filter(({ id }) => !batches.some((known) => known.id === id));
    batches.push(...fresh);
    if (fresh.length === 0 || body?.has_more !== true) break;
    after = `&after=${data.at(-1)!.id}`;
  }
  // The list may be stale: the status of the batch itself counts.
  return await Promise.all(batches.map(async (batch) => (await readBatch(url, batch.id)) ?? batch));
}

/** A batch read individually; null if the read meets a fault again and again. */
async function readBatch(url: string, id: string): Promise<{ id: string; status: string } | null> {
  for (let attempt = 1; attempt <= MOST_READS; attempt += 1) {
    try {
      const response = await fetch(`${url}/batches/${id}`, {
        headers: { authorization: 'Bearer test' },
        signal: AbortSignal.timeout(READ_MS),
      });
      if (response.ok) return (await response.json()) as { id: string; status: string };
    } catch {
      // Faults of the reads apply here as well.
    }
  }
  return null;
}

function describe({ status, error }: RowFacts): string {
  return error === null ? status : `${status} (${error.code})`;
}
