import { join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { ShardName } from '../records/claim-outcome.ts';
import { escapeSeparators } from '../requests/separators.ts';
import { addedParts, firstRequest, tellModel, type AddedParts } from '../requests/told-request.ts';
import { RowFile } from '../rows/row-file.ts';
import type { ToldMessages } from '../rows/told-writer.ts';

/** A request that is sent again, and the parts of it that were not in the first one. */
export interface NextRequest {
  readonly bytes: Buffer;
  readonly told?: AddedParts;
}

/** The next requests of a shard's lines: as they were sent, or with what is wrong with the last answer. */
export class NextRequests implements Disposable {
  private readonly endpoint: string;
  private readonly maxBytes: number;
  private readonly sentParts: Map<number, AddedParts>;
  /** What is told, in the lines' order; null for a shard whose outcome tells nothing. */
  private readonly told: RowFile | null;

  /** `maxBytes`: the largest request; a longer one does not tell anything. */
  constructor(
    folder: string,
    { job, shard }: ShardName,
    manifest: ShardManifest,
    outcome: ShardOutcome,
    maxBytes: number,
  ) {
    this.endpoint = manifest.endpoint;
    this.maxBytes = maxBytes;
    this.sentParts = addedParts(manifest);
    this.told =
      outcome.tells === true && outcome.rows !== undefined
        ? new RowFile(join(folder, shardFiles.told(job, shard, outcome.rows)))
        : null;
  }

  /** The next request of a line, given the last one. Lines are asked for in ascending order. */
  of(line: number, sent: Buffer): NextRequest {
    const parts = this.sentParts.get(line);
    const messages = this.messagesOf(line);
    if (messages === null) return parts === undefined ? { bytes: sent } : { bytes: sent, told: parts };
    const first = escapeSeparators(firstRequest(sent, parts));
    const told = tellModel(first, this.endpoint, messages);
    if (told === null || told.bytes.length >= this.maxBytes) return { bytes: first };
    return { bytes: told.bytes, told: told.parts };
  }

  [Symbol.dispose](): void {
    this.told?.close();
  }

  private messagesOf(line: number): ToldMessages['messages'] | null {
    const { told } = this;
    if (told === null || told.done || told.line !== line) return null;
    const { messages } = JSON.parse(told.block.toString('utf8', told.start, told.end)) as ToldMessages;
    told.next();
    return messages;
  }
}
