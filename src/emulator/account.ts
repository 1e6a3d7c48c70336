import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchDesk } from './batch-desk.ts';
import type { BatchRecord } from './batch-record.ts';
import { CallCounters } from './call-counters.ts';
import { createClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { createFaultBook } from './fault-book.ts';
import type { BookedRule, FaultBook } from './fault-book.ts';
import { FileShelf } from './file-shelf.ts';
import type { FileRecord } from './file-shelf.ts';
import { openJournal } from './journal.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import { UploadDesk } from './upload-desk.ts';
import { WebhookDesk } from './webhook-desk.ts';
import type { WebhookDelivery } from './webhook-desk.ts';
import type { Refused } from './refused-content.ts';
import type { UploadRecord } from './upload-desk.ts';

/** Everything the emulator keeps for its one account, opened from its folder. */
export interface Account {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultBook;
  calls: CallCounters;
  shelf: FileShelf;
  uploads: UploadDesk;
  batches: BatchDesk;
  webhooks: WebhookDesk;
  /** Where bytes are gathered while they come in. */
  incomingPath(name: string): string;
  advanceClock(ms: number): void;
  /** Forgets everything but the options. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** Opens the account: reads the journal, takes up batches that had not ended. */
export async function openAccount(options: ResolvedEmulatorOptions): Promise<Account> {
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'openai-emulator-'));
  const incoming = join(dataDir, 'incoming');
  // What was still coming in when the last process died will never be complete.
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { recursive: true });

  const entries: JournalEntry[] = [];
  const journal = openJournal(join(dataDir, 'journal.jsonl'), (entry) => entries.push(entry));
  const valuesOf = <T>(kind: string): T[] =>
    entries.filter((entry) => entry.kind === kind && entry.value !== null).map((entry) => entry.value as T);

  const clock = createClock(valuesOf<number>('clock')[0] ?? options.clockOffsetSeconds * 1000);
  const faults = openFaultBook(options, clock, journal, valuesOf<BookedRule>('rule'));
  const calls = new CallCounters();
  const shelf = new FileShelf(dataDir, clock, journal, faults);
  const uploads = new UploadDesk(dataDir, clock, journal, shelf);
  const webhooks = new WebhookDesk(options, journal);
  const batches = new BatchDesk(dataDir, options, clock, journal, shelf, faults, (ended) =>
    webhooks.announce(ended),
  );
  for (const record of valuesOf<FileRecord>('file')) shelf.restore(record);
  for (const refused of valuesOf<Refused>('refused')) shelf.refused.restore(refused);
  for (const record of valuesOf<UploadRecord>('upload')) uploads.restore(record);
  for (const record of valuesOf<BatchRecord>('batch')) batches.restore(record);
  for (const delivery of valuesOf<WebhookDelivery>('webhook')) webhooks.restore(delivery);
  webhooks.resume(batches.ended());
  await batches.resume();

  return {
    options,
    clock,
    faults,
    calls,
    shelf,
    uploads,
    batches,
    webhooks,
    incomingPath: (name) => join(incoming, name),
    advanceClock(ms) {
      clock.advance(ms);
      journal.append('clock', 'clock', clock.offsetMs());
    },
    async reset() {
      await batches.clear();
      await webhooks.clear();
      await uploads.clear();
      await shelf.clear();
      calls.clear();
      faults.clear();
      journal.clear();
      for (const rule of options.faults) faults.add(rule);
      journal.append('clock', 'clock', clock.offsetMs());
    },
    async close() {
      await batches.close();
      await webhooks.close();
      journal.close();
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Rules of the options are added on the first start only; later their counts come from the journal. */
function openFaultBook(
  options: ResolvedEmulatorOptions,
  clock: Clock,
  journal: Journal,
  restored: readonly BookedRule[],
): FaultBook {
  const book = createFaultBook(
    options.seed,
    restored,
    (id, booked) => journal.append('rule', id, booked),
    () => clock.now(),
  );
  const known = new Set(restored.map(({ rule }) => JSON.stringify(rule)));
  for (const rule of options.faults) if (!known.has(JSON.stringify(rule))) book.add(rule);
  return book;
}
