/**
 * The environment of this package, read here and nowhere else (Temporal's own `TEMPORAL_*` are read by its
 * envconfig package, `OPENAI_API_KEY` and `OPENAI_BASE_URL` by the openai SDK).
 */
import { resolve } from 'node:path';

export interface Environment {
  /** `DURABLE_BATCH_HOME`: the store and the embedded server's database. @default .durable-batch */
  readonly home: string;
  /** `DURABLE_BATCH_TASK_QUEUE`: the queue of workers and jobs. @default durable-batch */
  readonly taskQueue: string;
  /** `DURABLE_BATCH_PATIENCE`: scales the waits for a slow API; 1 suits OpenAI, less suits an emulator. @default 1 */
  readonly patience: number;
  /** `DURABLE_BATCH_ACCOUNT`: a name for whoever pays, by which jobs can be found; null for none. @default none */
  readonly account: string | null;
  /** True when `OPENAI_API_KEY` is set. */
  readonly hasApiKey: boolean;
  /** `OPENAI_WEBHOOK_SECRET`, the SDK's own name: signs the events of ended batches; null when it is not set. */
  readonly webhookSecret: string | null;
}

/** Reads the environment as it is now. */
export function readEnvironment(env: NodeJS.ProcessEnv = process.env): Environment {
  const patience = Number(env['DURABLE_BATCH_PATIENCE'] ?? '1');
  return {
    home: resolve(env['DURABLE_BATCH_HOME'] || '.durable-batch'),
    taskQueue: env['DURABLE_BATCH_TASK_QUEUE'] || 'durable-batch',
    patience: Number.isFinite(patience) && patience >= 0 ? patience : 1,
    account: env['DURABLE_BATCH_ACCOUNT']?.trim() || null,
    hasApiKey: (env['OPENAI_API_KEY'] ?? '').trim() !== '',
    webhookSecret: (env['OPENAI_WEBHOOK_SECRET'] ?? '').trim() || null,
  };
}
