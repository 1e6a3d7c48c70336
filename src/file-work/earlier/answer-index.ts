/**
 * The index of a job's answers maps requests to rows. Entries have a fixed length and no particular order: key (16 bytes), location in
 * the shard's rows of the part of the row after its id (offset, 8 bytes; length, 4 bytes), and shard (round in the upper 8 bits, index
 * in the round in the lower 24). Numbers are little-endian.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { shardId } from '../../core/shard-plan.ts';
import type { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { KEY_BYTES } from '../requests/request-key.ts';

export const ENTRY_BYTES: number = KEY_BYTES + 16;

/** The location of an answer's row. */
export interface RowLocation {
  readonly round: number;
  /** Index of the shard in its round, from 0. */
  readonly index: number;
  readonly offset: number;
  readonly length: number;
}

/** Round and index as one 32-bit number: 255 rounds of 16 million shards. A pass has at most 60 rounds; more than four passes may exceed it. */
const packShard = (round: number, index: number): number => round * 2 ** 24 + index;

/** The shard id of a packed number. */
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

  add(key: Buffer, { round, index, offset, length }: RowLocation): void {
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

/** Calls `onEntry` for each record of a file of fixed-length records; the block is valid only during the call. */
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
