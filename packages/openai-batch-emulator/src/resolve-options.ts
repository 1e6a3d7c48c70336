import * as z from 'zod';
import { faultRuleSchema } from './faults/fault-rule-schema.ts';
import type { EmulatorOptions, ResolvedEmulatorOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

const positiveInt = z.int().min(1);
const duration = z.number().min(0);

const optionsSchema: z.ZodType<EmulatorOptions> = z
  .strictObject({
    port: z.int().min(0).max(65535).optional(),
    host: z.enum(['127.0.0.1', '::1', 'localhost']).optional(),
    dataDir: z.string().min(1).optional(),
    speed: z.number().positive().optional(),
    lifecycle: z
      .strictObject({
        mode: z.enum(['instant', 'timed']).optional(),
        validatingMs: duration.optional(),
        inProgressMs: duration.optional(),
        perLineMs: duration.optional(),
        finalizingMs: duration.optional(),
        cancellingMs: duration.optional(),
      })
      .optional(),
    windowSeconds: z.number().positive().optional(),
    clockOffsetSeconds: z.number().optional(),
    seed: z.int().optional(),
    apiKey: z.string().min(1).optional(),
    maxFileBytes: positiveInt.optional(),
    maxPartBytes: positiveInt.optional(),
    maxBatchBytes: positiveInt.optional(),
    maxBatchLines: positiveInt.optional(),
    maxEmbeddingInputs: positiveInt.optional(),
    enqueuedTokenLimit: z.record(z.string(), z.number().min(0)).optional(),
    batchesPerHour: positiveInt.optional(),
    unsupportedModels: z.array(z.string()).optional(),
    models: z.array(z.string().min(1)).min(1).optional(),
    contextTokens: z.record(z.string(), positiveInt).optional(),
    accounts: z.enum(['one', 'per-key']).optional(),
    projects: z.record(z.string().min(1), z.array(z.string().min(1)).min(1)).optional(),
    maxReportedErrors: positiveInt.optional(),
    absentFileId: z.enum(['null', 'empty']).optional(),
    webhookUrl: z.url({ protocol: /^https?$/ }).optional(),
    webhookSecret: z.string().min(1).optional(),
    faults: z.array(faultRuleSchema).optional(),
  })
  .refine(({ accounts, projects }) => projects === undefined || accounts === 'per-key', {
    path: ['projects'],
    message: "needs accounts: 'per-key'",
  })
  .refine(({ webhookUrl, webhookSecret }) => webhookUrl === undefined || webhookSecret !== undefined, {
    path: ['webhookSecret'],
    message: 'is needed with webhookUrl',
  });

/**
 * Validates the options and fills in the defaults.
 * @throws UsageError that names each invalid option.
 */
export function resolveEmulatorOptions(input: EmulatorOptions = {}): ResolvedEmulatorOptions {
  const { data: given, error } = optionsSchema.safeParse(input);
  if (error !== undefined) throw new UsageError(error.issues.map(describeIssue).join(' '));
  return {
    port: given.port ?? 0,
    host: given.host ?? '127.0.0.1',
    dataDir: given.dataDir,
    speed: given.speed ?? 1,
    lifecycle: {
      mode: given.lifecycle?.mode ?? 'instant',
      validatingMs: given.lifecycle?.validatingMs ?? 3000,
      inProgressMs: given.lifecycle?.inProgressMs ?? 60_000,
      perLineMs: given.lifecycle?.perLineMs ?? 20,
      finalizingMs: given.lifecycle?.finalizingMs ?? 2000,
      cancellingMs: given.lifecycle?.cancellingMs ?? 5000,
    },
    windowSeconds: given.windowSeconds ?? 86_400,
    clockOffsetSeconds: given.clockOffsetSeconds ?? 0,
    seed: given.seed ?? 1,
    apiKey: given.apiKey,
    maxFileBytes: given.maxFileBytes ?? 512 * 1024 * 1024,
    maxPartBytes: given.maxPartBytes ?? 64 * 1024 * 1024,
    maxBatchBytes: given.maxBatchBytes ?? 209_715_200,
    maxBatchLines: given.maxBatchLines ?? 50_000,
    maxEmbeddingInputs: given.maxEmbeddingInputs ?? 50_000,
    enqueuedTokenLimit: given.enqueuedTokenLimit ?? {},
    batchesPerHour: given.batchesPerHour ?? 2000,
    unsupportedModels: given.unsupportedModels ?? [],
    models: given.models,
    contextTokens: given.contextTokens ?? {},
    accounts: given.accounts ?? 'one',
    projects: given.projects ?? {},
    maxReportedErrors: given.maxReportedErrors ?? 100,
    absentFileId: given.absentFileId ?? 'null',
    webhookUrl: given.webhookUrl,
    webhookSecret: given.webhookSecret,
    faults: given.faults ?? [],
  };
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  return path.length === 0
    ? `Emulator options: ${message}.`
    : `Emulator option ${path.join('.')}: ${message}.`;
}
