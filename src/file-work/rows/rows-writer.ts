import { fstatSync, readFileSync, readSync } from 'node:fs';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import type { ShardIds } from '../records/shard-ids.ts';
import { cancelledRowTail, writeRowHead } from './row-text.ts';
import { lineState, type ShardTally } from './shard-tally.ts';

/** A raw file up to this size is read into memory while its rows are written; larger ones are read row by row. */
const HELD_BYTES = 12 << 20;

const beforeInput = Buffer.from(',"error":null,"usage":{"input_tokens":');
const beforeOutput = Buffer.from(',"output_tokens":');
const rowTail = Buffer.from('}}\n');

/** Writes rows in the lines' order, copying each answer's bytes from the raw file. */
export class RowsWriter {
  private readonly file: AtomicFileWriter;
  private readonly ids: ShardIds;
  private readonly scratch = Buffer.allocUnsafe(64 << 10);
  /** Raw files that are small enough for memory: their answers are copied in any order without a read each. */
  private held: (Buffer | null)[] = [];

  constructor(path: string, ids: ShardIds) {
    this.file = new AtomicFileWriter(path);
    this.ids = ids;
  }

  /** @param sources the raw files, opened before the tally was made: a stalled attempt may replace them at any time */
  write(tally: ShardTally, sources: readonly (number | null)[], batchIds: readonly string[]): void {
    this.held = sources.map((source) =>
      source !== null && fstatSync(source).size <= HELD_BYTES ? readFileSync(source) : null,
    );
    const batches = batchIds.map((batchId) => JSON.stringify(batchId));
    const answered = (attempts: number, batch: string): Buffer =>
      Buffer.from(`,"status":"answered","attempts":${attempts},"batch_id":${batch},"response":`);
    const answeredAtOnce = batches.map((batch) => answered(1, batch));
    try {
      for (let position = 0; position < tally.states.length; position += 1) {
        const stateHere = tally.states[position];
        if (stateHere === lineState.again) continue;
        const line = tally.lines.numbers[position]!;
        writeRowHead(this.file, line, this.ids.at(position));
        const attempts = tally.lines.historyOf(line).sent + 1;
        if (stateHere === lineState.answered) {
          const which = tally.file[position]!;
          this.file.write(attempts === 1 ? answeredAtOnce[which]! : answered(attempts, batches[which]!));
          this.writeBody(tally, sources, position);
          this.file.write(beforeInput);
          this.file.writeNumber(tally.input[position]!);
          this.file.write(beforeOutput);
          this.file.writeNumber(tally.output[position]!);
          this.file.write(rowTail);
        } else if (stateHere === lineState.cancelled) {
          this.file.writeText(cancelledRowTail(attempts, batches[0]!));
        } else {
          const { code, message } = tally.errors.get(position)!;
          this.file.writeText(
            `,"status":"failed","attempts":${attempts},"batch_id":${batches[0]},"response":null,"error":${JSON.stringify({ code, message })},"usage":null}\n`,
          );
        }
      }
      this.file.finish();
    } catch (error) {
      this.file.abandon();
      throw error;
    }
  }

  private writeBody(tally: ShardTally, sources: readonly (number | null)[], position: number): void {
    const which = tally.file[position]!;
    const spare = tally.spare.sourceOf(position);
    const source = spare ?? sources[which]!;
    let offset = tally.offset[position]!;
    let left = tally.length[position]!;
    const held = spare === null ? this.held[which]! : null;
    if (held !== null) {
      this.file.write(held, offset, offset + left);
      return;
    }
    while (left > 0) {
      const read = readSync(source, this.scratch, 0, Math.min(left, this.scratch.length), offset);
      if (read === 0) throw new Error('A raw output file became shorter while it was read.');
      this.file.write(this.scratch, 0, read);
      offset += read;
      left -= read;
    }
  }
}
