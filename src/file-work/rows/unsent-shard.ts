import { plainCode } from '../../core/plain-code.ts';
import { EXAMPLES_KEPT, ShardLines, type ShardManifest, type ShardOutcome } from '../../core/shard-plan.ts';
import { AtomicFileWriter } from '../../files/atomic-file-writer.ts';
import type { ShardName } from '../records/claim-outcome.ts';
import { ShardIds } from '../records/shard-ids.ts';
import { attemptRows, readManifest } from '../records/shard-records.ts';
import { cancelledRowTail, writeRowHead } from './row-text.ts';

/** A shard without a batch, because the API finally refused its file or its batch. */
export interface RefusedShard extends ShardName {
  /** True when its lines are sent again in smaller shards; otherwise they end `failed`. */
  readonly halve: boolean;
  readonly code: string;
  readonly message: string;
}

/**
 * Ends the lines of a shard that the API refused, or sends them again in halves. No line of it was in a batch, so no attempt is
 * counted. Running it twice writes the same rows, each time into a new file.
 */
export function refuseShard(folder: string, refused: RefusedShard): ShardOutcome {
  const { job, shard, halve, code, message } = refused;
  const manifest = readManifest(folder, job, shard);
  const lines = new ShardLines(manifest);
  if (halve) return { ...nothing, again: lines.carry(), tooLarge: true };
  const error = JSON.stringify({ code, message });
  const rowTail = (sent: number): string =>
    `,"status":"failed","attempts":${sent},"batch_id":null,"response":null,"error":${error},"usage":null}\n`;
  return {
    rows: writeRows(folder, refused, manifest, rowTail),
    ...nothing,
    failed: manifest.lines,
    // Lines that are not sent again after refusals of their batches were counted with those batches.
    ...(manifest.refusals === undefined ? counted(plainCode(code), lines) : {}),
    refusal: { code, message, named: 0 },
  };
}

/** Ends every line of a shard that was never sent, after a cancel. Running it twice is safe as with `refuseShard`. */
export function cancelShard(folder: string, unsent: ShardName): ShardOutcome {
  const manifest = readManifest(folder, unsent.job, unsent.shard);
  const rowTail = (sent: number): string => cancelledRowTail(sent, 'null');
  return { rows: writeRows(folder, unsent, manifest, rowTail), ...nothing };
}

/** Writes a row for each line; `rowTail` returns the part after its id, given how often the line was sent. Returns the file's id. */
function writeRows(
  folder: string,
  { job, shard }: ShardName,
  manifest: ShardManifest,
  rowTail: (sent: number) => string,
): string {
  const lines = new ShardLines(manifest);
  const ids = new ShardIds(folder, job, shard, manifest);
  const { rows, path } = attemptRows(folder, job, shard);
  const file = new AtomicFileWriter(path);
  lines.numbers.forEach((line, position) => {
    writeRowHead(file, line, ids.at(position));
    file.writeText(rowTail(lines.historyOf(line).sent));
  });
  file.finish();
  return rows;
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
