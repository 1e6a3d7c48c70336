/**
 * The index of a job's answers: which request got which row. Entries of fixed length, in no order that matters:
 * key (16 bytes), where the row's part behind its id stands in a shard's rows (offset, 8 bytes; length, 4 bytes), and
 * the shard (round in the upper 8 bits, place in the round in the lower 24). Numbers are little-endian.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { shardId } from '../../core/shard-plan.ts';
import type { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { KEY_BYTES } from '../requests/request-key.ts';

export const ENTRY_BYTES: number = KEY_BYTES + 16;

/** Where an answer's row stands. */
export interface RowPlace {
  readonly round: number;
  /** Place of the shard in its round, from 0. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

/** Round and place as one number of 32 bits: 255 rounds (a job has at most 40) of 16 million shards. */
const packShard = (round: number, index: number): number => round * 2 ** 24 + index;

/** The shard of a packed number. */
export function unpackShard(packed: number): string {
  return shardId(Math.floor(packed / 2 ** 24), packed % 2 ** 24);
}

/** Appends entries to an index. */
export class EntryWriter {
  private readonly entry = Buffer.alloc(ENTRY_BYTES);
  private readonly file: AtomicFileWriter;

  constructor(file: AtomicFileWriter) {
    this.file = file;
  }

  add(key: Buffer, { round, index, offset, length }: RowPlace): void {
    const { entry } = this;
    key.copy(entry, 0, 0, KEY_BYTES);
    entry.writeDoubleLE(offset, KEY_BYTES);
    entry.writeUInt32LE(length, KEY_BYTES + 8);
    entry.writeUInt32LE(packShard(round, index), KEY_BYTES + 12);
    this.file.write(entry);
  }
}

/** Entries read at a time. */
const BLOCK_ENTRIES = 1 << 15;

/** Calls `onEntry` for each record of a file of records of fixed length; the block is valid during the call only. */
export function eachEntry(
  path: string,
  entryBytes: number,
  onEntry: (block: Buffer, at: number) => void,
): void {
  const block = Buffer.allocUnsafe(BLOCK_ENTRIES * entryBytes);
  const file = openSync(path, 'r');
  try {
    for (let held = 0; ;) {
      const read = readSync(file, block, held, block.length - held, null);
      if (read === 0) return;
      const filled = held + read;
      const whole = filled - (filled % entryBytes);
      for (let at = 0; at < whole; at += entryBytes) onEntry(block, at);
      block.copyWithin(0, whole, filled);
      held = filled - whole;
    }
  } finally {
    closeSync(file);
  }
}
