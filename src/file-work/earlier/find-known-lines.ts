import { join } from 'node:path';
import type { JobSpec } from '../../core/job-spec.ts';
import { isLineFault } from '../../core/request-line.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import { InputCheck } from '../../input/input-check.ts';
import type { InputReader } from '../../input/input-reader.ts';
import { eachEntry, ENTRY_BYTES } from './answer-index.ts';
import { ofEarlierJob, type EarlierAnswers } from './earlier-answers.ts';
import { KnownKeys } from './known-keys.ts';
import { KNOWN_BYTES } from './known-lines.ts';
import { readRequests, type InputLine } from '../requests/read-requests.ts';
import { KEY_BYTES, RequestKeys } from '../requests/request-key.ts';

/** Lines looked up at a time: they take some 30 MB of memory, and each such group reads all indexes once. */
const LINES_AT_A_TIME = 1 << 19;

/** An input whose lines are looked up among earlier answers. */
export interface LookUp {
  readonly input: InputReader;
  readonly spec: JobSpec;
  /** When several jobs have an answer to a line, the first one is used. */
  readonly earlier: readonly EarlierAnswers[];
  /** Path of the file for the records of known lines. */
  readonly target: string;
  readonly linesAtATime?: number;
}

/**
 * Reads the input and writes, in its order, a record of every line that has an answer from an earlier job. Returns whether the input
 * matches the spec's fingerprint.
 */
export function findKnownLines(
  folder: string,
  { input, spec, earlier, target, linesAtATime = LINES_AT_A_TIME }: LookUp,
): boolean {
  const known = new KnownKeys(linesAtATime);
  const keys = new RequestKeys();
  const file = new AtomicFileWriter(target);
  const read = new InputCheck();
  try {
    const onLine = ({ number, block, request }: Readonly<InputLine>): boolean => {
      if (isLineFault(request)) return true; // reported when the shards are built
      if (known.isFull) lookUp(folder, earlier, known, file);
      const place = known.add(number, keys.ofRequest(block, request));
      if (request.escapeBytes > 0) known.addAlias(place, keys.ofRawRequest(block, request));
      return true;
    };
    readRequests(input, { spec, onLine, onBytes: (bytes) => read.add(bytes) });
    lookUp(folder, earlier, known, file);
    file.finish();
    return read.isOf(spec.input);
  } catch (error) {
    file.abandon();
    throw error;
  }
}

/** Reads the indexes, writes a record for each line whose key they contain, and empties the table. */
function lookUp(
  folder: string,
  earlier: readonly EarlierAnswers[],
  known: KnownKeys,
  file: AtomicFileWriter,
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
