import { AttemptCost } from '../../core/line-attempts.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import type { ShardIds } from '../records/shard-ids.ts';
import type { AnswerBodies } from './answer-bodies.ts';
import { cancelledRowTail, writeRowHead } from './row-text.ts';
import { lineState, type ShardTally } from './shard-tally.ts';

const nullError = Buffer.from(',"error":null');
const beforeInput = Buffer.from(',"usage":{"input_tokens":');
const beforeOutput = Buffer.from(',"output_tokens":');
const rowTail = Buffer.from('}}\n');

/** Writes rows in the lines' order, copying each answer's bytes from the raw file. */
export class RowsWriter {
  private readonly file: AtomicFileWriter;
  private readonly ids: ShardIds;

  constructor(path: string, ids: ShardIds) {
    this.file = new AtomicFileWriter(path);
    this.ids = ids;
  }

  write(tally: ShardTally, bodies: AnswerBodies, batchIds: readonly string[]): void {
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
          bodies.copyTo(this.file, position);
          this.file.write(nullError);
          this.writeUsage(tally, position);
        } else if (stateHere === lineState.cancelled) {
          this.file.writeText(cancelledRowTail(attempts, batches[0]!));
        } else {
          const { code, message, use } = tally.errors.get(position)!;
          const error = JSON.stringify({ code, message });
          const hasAnswer = use === AttemptCost.Answer;
          const batch = batches[hasAnswer ? tally.file[position]! : 0];
          this.file.writeText(`,"status":"failed","attempts":${attempts},"batch_id":${batch},"response":`);
          if (hasAnswer) {
            bodies.copyTo(this.file, position);
            this.file.writeText(`,"error":${error}`);
            this.writeUsage(tally, position);
          } else {
            this.file.writeText(`null,"error":${error},"usage":null}\n`);
          }
        }
      }
      this.file.finish();
    } catch (error) {
      this.file.abandon();
      throw error;
    }
  }

  private writeUsage(tally: ShardTally, position: number): void {
    this.file.write(beforeInput);
    this.file.writeNumber(tally.input[position]!);
    this.file.write(beforeOutput);
    this.file.writeNumber(tally.output[position]!);
    this.file.write(rowTail);
  }
}
