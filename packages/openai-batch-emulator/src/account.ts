import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BatchService } from './batch-service.ts';
import type { BatchRecord } from './batch-record.ts';
import type { Clock } from './clock.ts';
import type { FaultRegistry } from './fault-registry.ts';
import { FileStorage } from './file-storage.ts';
import type { FileRecord } from './file-storage.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { valuesOf } from './journal.ts';
import type { ResolvedEmulatorOptions } from './options.ts';
import type { PermanentRefusal } from './permanent-refusals.ts';
import { UploadService } from './upload-service.ts';
import type { UploadRecord } from './upload-service.ts';
import { WebhookSender } from './webhook-sender.ts';
import type { WebhookDelivery } from './webhook-sender.ts';

/** The state of one account, in the account's folder. */
export interface Account {
  files: FileStorage;
  uploads: UploadService;
  batches: BatchService;
  webhooks: WebhookSender;
  /** The path for bytes while they arrive. */
  incomingPath(name: string): string;
  /** Removes everything. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/** What an account needs: the options, clock and faults of all accounts, and its own journal. */
export interface AccountContext {
  options: ResolvedEmulatorOptions;
  clock: Clock;
  faults: FaultRegistry;
  journal: Journal;
}

/** Opens an account from the entries of its journal, and continues the batches that have not ended. */
export async function openAccount(
  folder: string,
  context: AccountContext,
  entries: readonly JournalEntry[],
): Promise<Account> {
  const { options, clock, faults, journal } = context;
  const incoming = join(folder, 'incoming');
  // Bytes that were arriving when the last process died will never be complete.
  rmSync(incoming, { recursive: true, force: true });
  mkdirSync(incoming, { recursive: true });

  const files = new FileStorage(folder, clock, journal, faults);
  const uploads = new UploadService(folder, clock, journal, files);
  const webhooks = new WebhookSender(options, journal);
  const batches = new BatchService(folder, options, clock, journal, files, faults, (ended) =>
    webhooks.announce(ended),
  );
  for (const record of valuesOf<FileRecord>(entries, 'file')) files.restore(record);
  for (const refusal of valuesOf<PermanentRefusal>(entries, 'refused')) files.refusals.restore(refusal);
  for (const record of valuesOf<UploadRecord>(entries, 'upload')) uploads.restore(record);
  for (const record of valuesOf<BatchRecord>(entries, 'batch')) batches.restore(record);
  for (const delivery of valuesOf<WebhookDelivery>(entries, 'webhook')) webhooks.restore(delivery);
  webhooks.resume(batches.ended());
  await batches.resume();

  return {
    files,
    uploads,
    batches,
    webhooks,
    incomingPath: (name) => join(incoming, name),
    async clear() {
      await batches.clear();
      await webhooks.clear();
      await uploads.clear();
      await files.clear();
      journal.clear();
    },
    async close() {
      await batches.close();
      await webhooks.close();
      journal.close();
    },
  };
}
