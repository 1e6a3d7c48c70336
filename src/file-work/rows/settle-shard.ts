import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ShardLines, type PaidTwice } from '../../core/shard-plan.ts';
import type { ModelRates } from '../../core/token-cost.ts';
import { shardFiles } from '../../store/job-files.ts';
import { RowsWriter } from './rows-writer.ts';
import {
  claimOutcome,
  readManifest,
  readOutcome,
  rowsPath,
  ShardIds,
  type ClaimedOutcome,
} from '../records/shard-records.ts';
import {
  countAnswersIn,
  ShardTally,
  type EndedShard,
  type MissingRows,
  type RawFile,
} from './shard-tally.ts';
import { SpareBodies } from './spare-bodies.ts';

export type { ClaimedOutcome, EndedShard, MissingRows };

/**
 * Decides for every line of a shard how it ended, and writes the rows of those that did.
 * Running it twice reads the same files and keeps the first outcome.
 * Writes nothing and returns `MissingRows` when `ended.missing` is `ask` and lines have no row.
 */
export function settleShard(folder: string, ended: EndedShard): ClaimedOutcome | MissingRows {
  const { job, shard, batch } = ended;
  const done = readOutcome(folder, job, shard);
  if (done !== null) return { outcome: done, first: false };
  const manifest = readManifest(folder, job, shard);
  using spare = new SpareBodies(rowsPath(folder, job, shard, {}));
  const tally = new ShardTally(new ShardLines(manifest), ended, spare, manifest.refusals);
  const rawFile = (key: string): RawFile => ({ path: join(folder, key), key });
  const output = ended.hasOutput ? rawFile(shardFiles.output(job, shard, batch)) : null;
  const errors = ended.hasErrors ? rawFile(shardFiles.errors(job, shard, batch)) : null;
  const duplicates = (ended.duplicates ?? []).map((batchId) => ({
    batchId,
    ...rawFile(shardFiles.duplicateOutput(job, shard, batch, batchId)),
  }));
  using files = new OpenFiles([output, errors, ...duplicates]);
  const outputRead = output !== null && tally.readFile(output, 0);
  const errorsRead = errors !== null && tally.readFile(errors, 1);
  for (const [i, file] of duplicates.entries()) tally.readDuplicate(file, 2 + i);
  if (ended.lostDuplicate === true && ended.missing !== 'retry') tally.forgetRetries();
  const { missing } = tally;
  if (ended.missing === 'ask' && missing > 0) return { missing, outputRead, errorsRead };
  tally.settleRest();
  files.assertSame();
  const ids = new ShardIds(folder, job, shard, manifest);
  const batchIds = [ended.batchId, ended.batchId, ...duplicates.map(({ batchId }) => batchId)];
  return claimOutcome(folder, job, shard, tally.outcome(), (path) =>
    new RowsWriter(path, ids).write(tally, files.descriptors, batchIds),
  );
}

/**
 * The raw files of a shard, open from before their rows are told until their bytes are taken: an attempt that stood still, and
 * downloads them once more, puts others in their places.
 */
class OpenFiles implements Disposable {
  readonly descriptors: readonly (number | null)[];
  private readonly files: readonly (RawFile | null)[];

  constructor(files: readonly (RawFile | null)[]) {
    this.files = files;
    this.descriptors = files.map((file) => (file === null ? null : openSync(file.path, 'r')));
  }

  /** @throws Error (try again) when what stands under a name is not what was opened */
  assertSame(): void {
    for (const [i, file] of this.files.entries()) {
      if (file === null || statSync(file.path).ino === fstatSync(this.descriptors[i]!).ino) continue;
      throw new Error(`${file.key} was replaced while it was read: read again by itself.`);
    }
  }

  [Symbol.dispose](): void {
    for (const descriptor of this.descriptors) if (descriptor !== null) closeSync(descriptor);
  }
}

/** Counts the answers to a shard's lines in an output file, of which none can be used. */
export function countAnswers(
  folder: string,
  job: string,
  shard: string,
  path: string,
  rates?: ModelRates | null,
): PaidTwice {
  return countAnswersIn(new ShardLines(readManifest(folder, job, shard)), path, rates);
}
