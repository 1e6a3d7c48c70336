import { join } from 'node:path';
import type { JobSpec } from '../../core/job-spec.ts';
import { isLineFault } from '../../core/request-line.ts';
import { WholeFileWriter } from '../../files/whole-file.ts';
import { eachEntry, ENTRY_BYTES } from './answer-index.ts';
import type { AroundRead } from '../../files/cut-lines.ts';
import { KnownKeys } from './known-keys.ts';
import { readRequests, type InputLine } from '../requests/read-requests.ts';
import { KEY_BYTES, RequestKeys } from '../requests/request-key.ts';

/** A job whose answers may be used again, and the store's key of their index. */
export interface EarlierAnswers {
  readonly job: string;
  readonly index: string;
}

/** Answers of an earlier job cannot be read, or are not what its index says. */
export class EarlierAnswersGone extends Error {
  readonly job: string;

  constructor(job: string, cause?: unknown) {
    super(`The answers of the earlier job ${job} went away while they were read.`, { cause });
    this.job = job;
  }
}

/** Reads a file of an earlier job; that it is missing is told as such, and never taken for a missing input. */
export function ofEarlierJob<T>(job: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new EarlierAnswersGone(job, error);
  }
}

/** Lines looked up at a time: some 30 MB of memory, and one reading of all indexes for each so many lines. */
const LINES_AT_A_TIME = 1 << 19;

/** A record of a known line: line, offset (8 bytes each), length, source, shard and room (4 bytes each). */
export const KNOWN_BYTES = 32;

/** A line of the input that an earlier job has answered. */
export interface KnownLine {
  line: number;
  /** Place in the list of earlier jobs, from 0. */
  source: number;
  /** See `unpackShard`. */
  shard: number;
  offset: number;
  length: number;
}

/**
 * Reads the input and writes, in its order, a record of every line that an earlier job has answered; of several the
 * first in the list counts. Answers whether the input's bytes are those that the spec names.
 */
export function findKnownLines(
  folder: string,
  spec: JobSpec,
  earlier: readonly EarlierAnswers[],
  target: string,
  linesAtATime: number = LINES_AT_A_TIME,
  around?: AroundRead,
): boolean {
  const known = new KnownKeys(linesAtATime);
  const keys = new RequestKeys();
  const file = new WholeFileWriter(target);
  try {
    const onLine = ({ number, block, request }: Readonly<InputLine>): boolean => {
      if (isLineFault(request)) return true; // told of when the shards are built
      if (known.isFull) lookUp(folder, earlier, known, file);
      const place = known.add(number, keys.ofRequest(block, request));
      if (request.escapeBytes > 0) known.addAlias(place, keys.ofRawRequest(block, request));
      return true;
    };
    const isSame = readRequests(spec, onLine, around);
    lookUp(folder, earlier, known, file);
    file.finish();
    return isSame;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Streams the indexes past the lines' keys, writes what was found, and empties the table. */
function lookUp(
  folder: string,
  earlier: readonly EarlierAnswers[],
  known: KnownKeys,
  file: WholeFileWriter,
): void {
  if (known.size === 0) return;
  earlier.forEach(({ job, index }, source) => {
    const note = (block: Buffer, at: number): void => {
      const place = known.wanting(block, at);
      if (place === -1) return;
      known.sources[place] = source + 1;
      known.offsets[place] = block.readDoubleLE(at + KEY_BYTES);
      known.lengths[place] = block.readUInt32LE(at + KEY_BYTES + 8);
      known.shards[place] = block.readUInt32LE(at + KEY_BYTES + 12);
    };
    ofEarlierJob(job, () => eachEntry(join(folder, index), ENTRY_BYTES, note));
  });
  const record = Buffer.alloc(KNOWN_BYTES);
  for (let place = 0; place < known.size; place += 1) {
    const head = known.headOf(place);
    if (known.sources[head] === 0 || known.isAlias(place)) continue;
    record.writeDoubleLE(known.lines[place]!, 0);
    record.writeDoubleLE(known.offsets[head]!, 8);
    record.writeUInt32LE(known.lengths[head]!, 16);
    record.writeUInt32LE(known.sources[head]! - 1, 20);
    record.writeUInt32LE(known.shards[head]!, 24);
    file.write(record);
  }
  known.clear();
}

/** Reads the records of known lines one after another. */
export function toKnownLine(block: Buffer, at: number): KnownLine {
  return {
    line: block.readDoubleLE(at),
    offset: block.readDoubleLE(at + 8),
    length: block.readUInt32LE(at + 16),
    source: block.readUInt32LE(at + 20),
    shard: block.readUInt32LE(at + 24),
  };
}
