import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BatchDesk } from './batch-desk.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Clock } from './clock.ts';
import type { FaultBook } from './fault-book.ts';
import { FileShelf } from './file-shelf.ts';
import type { FileRecord } from './file-shelf.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { valuesOf } from './journal.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import type { Refused } from './refused-content.ts';
import { UploadDesk } from './upload-desk.ts';
import type { UploadRecord } from './upload-desk.ts';
import { WebhookDesk } from './webhook-desk.ts';
import type { WebhookDelivery } from './webhook-desk.ts';

/** Everything the emulator keeps for one account, opened from the account's folder. */
export interface Account {
  shelf: FileShelf;
  uploads: UploadDesk;
  batches: BatchDesk;
  webhooks: WebhookDesk;
  /** Where bytes are gathered while they come in. */
  incomingPath(name: string): string;
  /** Forgets everything. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** What all accounts share. */
export interface AccountSetting {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultBook;
  journal: Journal;
}

/** Opens an account with what its journal held: batches that had not ended are taken up. */
export async function openAccount(
  folder: string,
  setting: AccountSetting,
  entries: readonly JournalEntry[],
): Promise<Account> {
  const { options, clock, faults, journal } = setting;
  const incoming = join(folder, 'incoming');
  // What was still coming in when the last process died will never be complete.
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { recursive: true });

  const shelf = new FileShelf(folder, clock, journal, faults);
  const uploads = new UploadDesk(folder, clock, journal, shelf);
  const webhooks = new WebhookDesk(options, journal);
  const batches = new BatchDesk(folder, options, clock, journal, shelf, faults, (ended) =>
    webhooks.announce(ended),
  );
  for (const record of valuesOf<FileRecord>(entries, 'file')) shelf.restore(record);
  for (const refused of valuesOf<Refused>(entries, 'refused')) shelf.refused.restore(refused);
  for (const record of valuesOf<UploadRecord>(entries, 'upload')) uploads.restore(record);
  for (const record of valuesOf<BatchRecord>(entries, 'batch')) batches.restore(record);
  for (const delivery of valuesOf<WebhookDelivery>(entries, 'webhook')) webhooks.restore(delivery);
  webhooks.resume(batches.ended());
  await batches.resume();

  return {
    shelf,
    uploads,
    batches,
    webhooks,
    incomingPath: (name) => join(incoming, name),
    async clear() {
      await batches.clear();
      await webhooks.clear();
      await uploads.clear();
      await shelf.clear();
      journal.clear();
    },
    async close() {
      await batches.close();
      await webhooks.close();
      journal.close();
    },
  };
}
