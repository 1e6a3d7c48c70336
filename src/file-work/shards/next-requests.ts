import { join } from 'node:path';
import type { ShardManifest, ShardOutcome } from '../../core/shard-plan.ts';
import { shardFiles } from '../../store/job-files.ts';
import type { ShardName } from '../records/claim-outcome.ts';
import { escapeSeparators } from '../requests/separators.ts';
import { addedParts, firstRequest, addFeedback, type AddedParts } from '../requests/feedback-request.ts';
import { RowFile } from '../rows/row-file.ts';
import type { Feedback } from '../rows/feedback-writer.ts';

/** A request that is sent again, and the parts of it that were not in the first one. */
export interface NextRequest {
  readonly bytes: Buffer;
  readonly feedback?: AddedParts;
}

/** The next requests of a shard's lines: as they were sent, or with what is wrong with the last answer. */
export class NextRequests implements Disposable {
  private readonly endpoint: string;
  private readonly maxBytes: number;
  private readonly sentParts: Map<number, AddedParts>;
  /** The feedback, in the lines' order; null for a shard without any. */
  private readonly feedback: RowFile | null;

  /** `maxBytes`: the largest request; one that would be longer is sent without feedback. */
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
    this.feedback =
      outcome.hasFeedback === true && outcome.rows !== undefined
        ? new RowFile(join(folder, shardFiles.feedback(job, shard, outcome.rows)))
        : null;
  }

  /** The next request of a line, given the last one. Lines are asked for in ascending order. */
  of(line: number, sent: Buffer): NextRequest {
    const parts = this.sentParts.get(line);
    const messages = this.messagesOf(line);
    if (messages === null) return parts === undefined ? { bytes: sent } : { bytes: sent, feedback: parts };
    const first = escapeSeparators(firstRequest(sent, parts));
    const feedback = addFeedback(first, this.endpoint, messages);
    if (feedback === null || feedback.bytes.length >= this.maxBytes) return { bytes: first };
    return { bytes: feedback.bytes, feedback: feedback.parts };
  }

  [Symbol.dispose](): void {
    this.feedback?.close();
  }

  private messagesOf(line: number): Feedback['messages'] | null {
    const { feedback } = this;
    if (feedback === null || feedback.done || feedback.line !== line) return null;
    const { messages } = JSON.parse(
      feedback.block.toString('utf8', feedback.start, feedback.end),
    ) as Feedback;
    feedback.next();
    return messages;
  }
}
