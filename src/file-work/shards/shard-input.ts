import { join } from 'node:path';
import { rowNoun, type JobSpec } from '../../core/job-spec.ts';
import { Endpoint } from '../../core/limits.ts';
import { isLineFault, readableId } from '../../core/request-line.ts';
import { fittingKeywords } from '../../core/search-attributes.ts';
import type { RoundPlan } from '../../core/shard-plan.ts';
import { InputCheck } from '../../input/input-check.ts';
import { toInputFault, type InputFault } from '../../input/input-fault.ts';
import { jsonlInput } from '../../input/jsonl-input.ts';
import type { RequestTemplate } from '../../render/request-template.ts';
import { jobFiles } from '../../store/job-files.ts';
import { EarlierAnswersGone, type EarlierAnswers } from '../earlier/earlier-answers.ts';
import { KeptRows } from '../earlier/kept-rows.ts';
import { readRequests, type InputLine } from '../requests/read-requests.ts';
import { ByteCounter } from '../byte-counter.ts';
import type { OpenedInput } from './open-input.ts';
import { RejectedRows } from './rejected-rows.ts';
import { ShardSetWriter } from './shard-set-writer.ts';

/** The plan of round 1, or why there is none: the input is bad, or answers of the earlier job `gone` are missing. */
export type ShardedInput =
  | { readonly plan: RoundPlan }
  | { readonly fault: InputFault }
  | { readonly gone: string };

/** Options of `shardInput`. */
export interface InputSharding {
  readonly spec: JobSpec;
  /** The template of a job whose input is rows. @default the input is request lines */
  readonly template?: RequestTemplate;
  /** Jobs whose answers are reused; null for a job that sends all lines. @default null */
  readonly earlier?: readonly EarlierAnswers[] | null;
  /** A folder under whose key the files are written. @default none */
  readonly under?: string;
  /** Counts the input's bytes as they are read. */
  readonly counter?: ByteCounter;
}

/**
 * Reads the input, checks every line and writes the shards of round 1. With `earlier`, lines that have an answer from an earlier job get
 * their rows instead, and the input is read twice. `opened` is what `openInput` returns, by default for a file of request lines.
 * Running it twice with the same earlier answers writes the same files under the same names.
 */
export function shardInput(
  folder: string,
  { counter = new ByteCounter(), ...sharding }: InputSharding,
  opened: OpenedInput = { lines: jsonlInput(sharding.spec.input.path, counter.around) },
): ShardedInput {
  try {
    return writeShards(folder, { counter, ...sharding }, opened);
  } catch (error) {
    // Returned as results: an error loses all but its text when it leaves the thread.
    if (error instanceof EarlierAnswersGone) return { gone: error.job };
    const fault = toInputFault(error as Error, sharding.spec.input.path);
    if (fault === null) throw error;
    return { fault };
  }
}

function writeShards(
  folder: string,
  { spec, template, earlier = null, under = '', counter }: InputSharding & { counter: ByteCounter },
  { lines: input, isAnswer }: OpenedInput,
): ShardedInput {
  counter.expect(spec.input.bytes);
  const own = join(folder, under);
  const limits = { lines: spec.shardLines, bytes: spec.shardBytes };
  const isPacked = template?.endpoint === Endpoint.Embeddings;
  const { jobId: job, tokenQueue } = spec;
  const shards = new ShardSetWriter({ folder: own, job, round: 1, limits, isPacked, tokenQueue });
  const rejected = new RejectedRows(join(own, jobFiles.rejected(spec.jobId)), rowNoun(spec));
  const path = join(own, jobFiles.kept(spec.jobId));
  const kept = earlier === null ? null : new KeptRows(folder, { input, spec, earlier, path, isAnswer });
  const read = new InputCheck();
  let fault: InputFault | null = null;
  try {
    const onLine = ({ number, block, start, end, overlong, request }: Readonly<InputLine>): boolean => {
      if (!isLineFault(request)) {
        if (kept?.take(number, block, request) !== true) shards.add(number, block, request);
      } else if (spec.skipBadLines) {
        rejected.add(number, request, overlong ? null : readableId(block.subarray(start, end)));
      } else {
        fault = { line: number, ...request };
      }
      return fault === null;
    };
    const onBytes = (bytes: Uint8Array): void => {
      counter.add(bytes.length);
      read.add(bytes);
    };
    readRequests(input, { spec, onLine, onBytes });
    if (fault === null && (!read.isOf(spec.input) || kept?.isSameInput === false)) {
      fault = { line: null, reason: 'has changed since the job was started', advice: 'start the job again' };
    }
    if (fault === null && shards.lines === 0 && rejected.count === 0 && (kept?.count ?? 0) === 0) {
      fault = {
        line: null,
        reason: 'holds no requests',
        advice: `write one JSON ${spec.template === undefined ? 'request' : 'object'} per line`,
      };
    }
    if (fault !== null) return { fault };
    rejected.finish();
    kept?.finish();
    const plan = { ...shards.finish(), rejected: rejected.count, models: fittingKeywords(shards.models) };
    return { plan: kept === null ? plan : { ...plan, kept: kept.count } };
  } finally {
    // Has no effect on finished files.
    shards.abandon();
    rejected.abandon();
    kept?.abandon();
  }
}
