import { openEmulatedApi } from './emulated-api.ts';
import { createHttpServer } from './http-server.ts';
import { resolveEmulatorOptions } from './resolve-options.ts';
import type { EmulatorOptions } from './options.ts';

export { UsageError } from './usage-error.ts';
export type { EmulatorOptions, LifecycleOptions } from './options.ts';
export { BatchObjectForm, ContentForm, ResultFileForm } from './faults/batch-fault.ts';
export { CallKind } from './faults/call-fault.ts';
export { AnswerForm, UnreadableForm, VectorForm } from './faults/line-fault.ts';
export type { BatchErrorItem, BatchFault, ResultFiles } from './faults/batch-fault.ts';
export type { CallFault, FaultMoment } from './faults/call-fault.ts';
export type {
  BatchFaultRule,
  CallFaultRule,
  FaultCondition,
  FaultRule,
  FileFaultRule,
  LineFaultRule,
} from './faults/fault-rule.ts';
export type { BytesFault, FileFault, RefusedFault } from './faults/file-fault.ts';
export type { LineFault } from './faults/line-fault.ts';
export type { LedgerLine, LedgerSummary } from './ledger.ts';
export type { CallCount, CallReport } from './call-counters.ts';

/** A running emulator. */
export interface Emulator {
  /** The `baseURL` for the SDK, for example `http://127.0.0.1:8123/v1`. */
  url: string;
  /** The URL of the routes under /emulator, for example `http://127.0.0.1:8123/emulator`. */
  adminUrl: string;
  port: number;
  /** Stops the server and all batches. With a `dataDir`, batches in flight continue at the next start. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts an emulator of OpenAI's Files, Uploads and Batches API on loopback.
 * @throws UsageError that names each invalid option.
 */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const resolved = resolveEmulatorOptions(options);
  const api = await openEmulatedApi(resolved);
  const app = createHttpServer(api);
  const close = async (): Promise<void> => {
    await app.close();
    await api.close();
  };
  try {
    await app.listen({ port: resolved.port, host: resolved.host });
  } catch (error) {
    await close();
    throw error;
  }
  const { port } = app.server.address() as { port: number };
  const origin = `http://${resolved.host === '::1' ? '[::1]' : resolved.host}:${port}`;
  return {
    url: `${origin}/v1`,
    adminUrl: `${origin}/emulator`,
    port,
    close,
    [Symbol.asyncDispose]: close,
  };
}
