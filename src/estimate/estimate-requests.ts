import { fittingShardBytes, type JobSpec } from '../core/job-spec.ts';
import type { Endpoint } from '../core/limits.ts';
import type { RequestLine } from '../core/request-line.ts';
import { ShardFill, type ShardLimits } from '../core/shard-plan.ts';
import { findRequests, type FoundLines } from '../file-work/requests/found-lines.ts';
import { lineBytes } from '../file-work/requests/read-requests.ts';
import type { InputReader } from '../input/input-reader.ts';
import { PromptSample, SAMPLING_MS, type PromptTokens } from './prompt-tokens.ts';
import { contentOf } from './request-content.ts';
import { tokenCounterOf } from './token-counter.ts';

/** The requests of an input for one model and endpoint. */
export interface GroupEstimate {
  readonly model: string;
  readonly endpoint: Endpoint;
  readonly requests: number;
  readonly batches: number;
  readonly prompt: PromptTokens;
  /** The most tokens of all answers; null if a request has no limit. */
  readonly maxOutputTokens: number | null;
  /** Parts whose tokens are not known: images, files, conversations. */
  readonly unknown: number;
}

/** What a job would send. */
export interface RequestsEstimate extends FoundLines {
  readonly groups: readonly GroupEstimate[];
}

/** Reads an input once, and estimates what its requests need; samples of all models take at most `samplingMs` each. Sends nothing. */
export async function estimateRequests(
  input: InputReader,
  spec: Pick<JobSpec, 'model' | 'endpoint' | 'shardBytes' | 'shardLines' | 'tokenQueue'>,
  samplingMs: number = SAMPLING_MS,
): Promise<RequestsEstimate> {
  const groups = new Map<string, Group>();
  const found = findRequests(input, spec, (_, block, request) =>
    groupOf(groups, request, spec).add(block, request),
  );
  const estimates: GroupEstimate[] = [];
  for (const group of groups.values()) estimates.push(await group.estimate(samplingMs));
  return { ...found, groups: estimates };
}

function groupOf(
  groups: Map<string, Group>,
  { endpoint, model }: RequestLine,
  { shardLines, shardBytes, tokenQueue }: Pick<JobSpec, 'shardBytes' | 'shardLines' | 'tokenQueue'>,
): Group {
  const key = `${endpoint} ${model}`;
  const known = groups.get(key);
  if (known !== undefined) return known;
  const bytes = fittingShardBytes(tokenQueue, model, shardBytes);
  const group = new Group(model, endpoint, { lines: shardLines, bytes });
  groups.set(key, group);
  return group;
}

class Group {
  private readonly model: string;
  private readonly endpoint: Endpoint;
  private readonly limits: ShardLimits;
  private readonly sample = new PromptSample();
  private requests = 0;
  private batches = 0;
  private maxOutputTokens: number | null = 0;
  private unknown = 0;
  /** The last batch so far. */
  private fill = new ShardFill();

  constructor(model: string, endpoint: Endpoint, limits: ShardLimits) {
    this.model = model;
    this.endpoint = endpoint;
    this.limits = limits;
  }

  add(block: Buffer, request: RequestLine): void {
    const size = { bytes: lineBytes(request), embeddingInputs: request.embeddingInputs };
    if (this.batches === 0 || this.fill.isFullFor(size, this.limits)) {
      this.batches += 1;
      this.fill = new ShardFill();
    }
    this.fill.add(size);
    this.requests += 1;
    const body = JSON.parse(block.toString('utf8', request.bodyStart, request.bodyEnd)) as Record<
      string,
      unknown
    >;
    const content = contentOf(this.endpoint, body);
    this.sample.add(content);
    this.unknown += content.unknown;
    const { maxOutputTokens: most } = content;
    this.maxOutputTokens =
      this.maxOutputTokens === null || most === null ? null : this.maxOutputTokens + most;
  }

  async estimate(samplingMs: number): Promise<GroupEstimate> {
    const { model, endpoint, requests, batches, maxOutputTokens, unknown } = this;
    const prompt = this.sample.estimate(await tokenCounterOf(model), samplingMs);
    return { model, endpoint, requests, batches, prompt, maxOutputTokens, unknown };
  }
}
