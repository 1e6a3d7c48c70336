/**
 * The environment variables of this package. All are read here, except `TEMPORAL_*` (read by Temporal's envconfig package),
 * `OPENAI_API_KEY` and `OPENAI_BASE_URL` (read by the openai SDK; here only where no call is made).
 */
import { resolve } from 'node:path';

export interface Environment {
  /** `DURABLE_BATCH_HOME`: folder of the store and of the embedded server's database. @default .durable-batch */
  readonly home: string;
  /** `DURABLE_BATCH_TASK_QUEUE`: the task queue of workers and jobs. @default durable-batch */
  readonly taskQueue: string;
  /** `DURABLE_BATCH_PATIENCE`: scales the waits for a slow API; use 1 for OpenAI, less only for an emulator. @default 1 */
  readonly patience: number;
  /** `DURABLE_BATCH_ACCOUNT`: a name of the paying account, by which jobs can be listed; null without one. @default none */
  readonly account: string | null;
  /** `DURABLE_BATCH_TOKEN_LIMITS`: limits of enqueued tokens, `MODEL=N,…`; null without any. @default none */
  readonly tokenLimits: Readonly<Record<string, number>> | null;
  /** True when `OPENAI_API_KEY` is set. */
  readonly hasApiKey: boolean;
  /** `OPENAI_BASE_URL`. @default that of OpenAI, as in the SDK */
  readonly apiBaseUrl: string;
  /** `OPENAI_WEBHOOK_SECRET` (the SDK's name): the signing secret of webhook events; null when it is not set. */
  readonly webhookSecret: string | null;
}

/** Reads the environment variables at the time of the call. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const patience = Number(env['DURABLE_BATCH_PATIENCE'] ?? '1');
  return {
    home: resolve(env['DURABLE_BATCH_HOME'] || '.durable-batch'),
    taskQueue: env['DURABLE_BATCH_TASK_QUEUE'] || 'durable-batch',
    patience: Number.isFinite(patience) && patience >= 0 ? patience : 1,
    account: env['DURABLE_BATCH_ACCOUNT']?.trim() || null,
    tokenLimits: readTokenLimits(env['DURABLE_BATCH_TOKEN_LIMITS']?.trim() ?? ''),
    hasApiKey: (env['OPENAI_API_KEY'] ?? '').trim() !== '',
    apiBaseUrl: env['OPENAI_BASE_URL']?.trim() || 'https://api.openai.com/v1',
    webhookSecret: (env['OPENAI_WEBHOOK_SECRET'] ?? '').trim() || null,
  };
}

/** Limits as text; a number alone is for all models. What is not valid becomes NaN, for the check of the options. */
export function readTokenLimits(text: string): Readonly<Record<string, number>> | null {
  if (text === '') return null;
  const limits: Record<string, number> = {};
  const entries = text.split(',');
  for (const entry of entries) {
    const at = entry.lastIndexOf('=');
    const model = at === -1 ? '*' : entry.slice(0, at).trim();
    // The comma of 2,500 is none between two models.
    const isNumber = (at !== -1 || entries.length === 1) && !Object.hasOwn(limits, model);
    limits[model] = isNumber ? Number(entry.slice(at + 1).replaceAll('_', '')) : Number.NaN;
  }
  return limits;
}
