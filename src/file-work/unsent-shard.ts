import { plainCode } from '../core/plain-code.ts';
import { EXAMPLES_KEPT, ShardLines, type ShardOutcome } from '../core/shard-plan.ts';
import { WholeFileWriter } from '../store/whole-file.ts';
import { cancelledTail, writeRowHead } from './rows-writer.ts';
import { claimOutcome, readManifest, readOutcome, ShardIds, type ClaimedOutcome } from './shard-records.ts';

/** A shard that no batch was created for. */
export interface RefusedShard {
  readonly job: string;
  readonly shard: string;
  /** True where its lines go again in smaller shards; else they end `failed`. */
  readonly halve: boolean;
  readonly code: string;
  readonly message: string;
}

/**
 * Ends the lines of a shard that the API refused, or has them go again in halves. No line of it was in a batch: no try is
 * counted. Running it twice writes the same rows and keeps the first outcome.
 */
export function refuseShard(folder: string, refused: RefusedShard): ClaimedOutcome {
  const { job, shard, halve, code, message } = refused;
  const done = readOutcome(folder, job, shard);
  if (done !== null) return { outcome: done, first: false };
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  if (halve) return claimOutcome(folder, job, shard, { ...nothing, again: lines.carry(), tooLarge: true });
  const error = JSON.stringify({ code, message });
  const rowTail = (sent: number): string =>
    `,"status":"failed","attempts":${sent},"batch_id":null,"response":null,"error":${error},"usage":null}\n`;
  const outcome = {
    ...nothing,
    failed: manifest.lines,
    // Lines that are not sent any more after refusals of their batches have been counted with those.
    ...(manifest.refusals === undefined ? counted(plainCode(code), lines) : {}),
    refusal: { code, message, named: 0 },
  };
  const ids = new ShardIds(folder, job, shard, manifest);
  return claimOutcome(folder, job, shard, outcome, (path) => writeRows(path, lines, ids, rowTail));
}

/** Ends every line of a shard that was never sent, after a cancel. */
export function cancelShard(folder: string, job: string, shard: string): ShardOutcome {
  const done = readOutcome(folder, job, shard);
  if (done !== null) return done;
  const manifest = readManifest(folder, job, shard);
  const rowTail = (sent: number): string => cancelledTail(sent, 'null');
  const ids = new ShardIds(folder, job, shard, manifest);
  const write = (path: string): void => writeRows(path, new ShardLines(manifest), ids, rowTail);
  return claimOutcome(folder, job, shard, nothing, write).outcome;
}

/** Writes a row for each line; `rowTail` makes the part behind its id, of how often the line was sent. */
function writeRows(path: string, lines: ShardLines, ids: ShardIds, rowTail: (sent: number) => string): void {
  const file = new WholeFileWriter(path);
  lines.numbers.forEach((line, position) => {
    writeRowHead(file, line, ids.at(position));
    file.writeText(rowTail(lines.historyOf(line).sent));
  });
  file.finish();
}

const nothing: ShardOutcome = {
  answered: 0,
  failed: 0,
  again: [],
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  cost: '0',
  errors: {},
  examples: {},
};

function counted(code: string, { numbers }: ShardLines): Pick<ShardOutcome, 'errors' | 'examples'> {
  return {
    errors: { [code]: numbers.length },
    examples: { [code]: Array.from(numbers.subarray(0, EXAMPLES_KEPT)) },
  };
}
