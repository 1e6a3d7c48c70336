import { ApiError, htmlPage, typeOfStatus } from './api-error.ts';
import type { FaultRegistry } from './fault-registry.ts';
import { CallKind } from './faults/call-fault.ts';
import { batchFaultSchema, callFaultSchema, fileFaultSchema } from './faults/fault-rule-schema.ts';
import type { BatchFault } from './faults/batch-fault.ts';
import type { CallFault, FaultMoment } from './faults/call-fault.ts';
import type { FileFault, RefusedFault } from './faults/file-fault.ts';

/** The faults of one call, and those of the file or batch that it creates. */
export interface FaultsOfRequest {
  call: CallFault[];
  file: FileFault[];
  batch: BatchFault[];
}

/** The request header with faults of the call itself: the JSON of one `fault` or of an array. */
export const FAULT_HEADER = 'x-emulator-fault';

/** Returns the faults of the rules and of the call's header. */
export function findFaults(
  call: CallKind,
  header: string | undefined,
  registry: FaultRegistry,
): FaultsOfRequest {
  const faults: FaultsOfRequest = { call: registry.forCall(call), file: [], batch: [] };
  for (const fault of header === undefined ? [] : parseHeader(header)) {
    const asCall = callFaultSchema.safeParse(fault);
    if (asCall.success) {
      faults.call.push(asCall.data);
      continue;
    }
    if (call === CallKind.batchesCreate) faults.batch.push(dataOf(batchFaultSchema.safeParse(fault)));
    else if (call === CallKind.filesCreate || call === CallKind.uploadsComplete)
      faults.file.push(dataOf(fileFaultSchema.safeParse(fault)));
    else throw badHeader(asCall.error.message);
  }
  return faults;
}

/** The effect of a fault on a call at one moment. */
export type CallFaultEffect =
  | { kind: 'reset' }
  | { kind: 'hold'; ms: number | undefined }
  | { kind: 'response'; status: number; contentType: string; body: string; headers: Record<string, string> };

/** The effects at one moment, in the order of their rules. */
export function effectsDue(faults: readonly CallFault[], moment: FaultMoment): CallFaultEffect[] {
  const effects: CallFaultEffect[] = [];
  for (const fault of faults) {
    switch (fault.kind) {
      case 'status':
        if ((fault.when ?? 'before') === moment) effects.push(responseOf(fault));
        break;
      case 'reset':
        if ((fault.when ?? 'before') === moment) effects.push({ kind: 'reset' });
        break;
      case 'hold':
        if ((fault.when ?? 'before') === moment) effects.push({ kind: 'hold', ms: fault.ms });
        break;
      case 'stall':
      case 'truncate':
      case 'slow':
      case 'endless_paging':
      case 'no_has_more':
      case 'repeated_page':
      case 'summary_list':
      case 'too_large':
        break;
      default:
        fault satisfies never;
    }
  }
  return effects;
}

/** The number of bytes of the request's body after which a fault resets the connection. */
export function resetDuring(faults: readonly CallFault[]): number | undefined {
  const fault = faults.find((each) => each.kind === 'reset' && each.when === 'during');
  return fault?.kind === 'reset' ? (fault.afterBytes ?? 1) : undefined;
}

/** The number of bytes to which a fault limits a call, and the error beyond it. */
export function sizeLimit(faults: readonly CallFault[]): { bytes: number; refusal: ApiError } | undefined {
  const fault = faults.find((each) => each.kind === 'too_large');
  if (fault === undefined) return undefined;
  const { bytes, body, message = '413 Request Entity Too Large', code = null } = fault;
  return { bytes, refusal: new ApiError(413, message, { code, html: body === 'html' }) };
}

/** Throws if `bytes` is more than a fault allows. */
export function assertSize(faults: readonly CallFault[], bytes: unknown): void {
  const limit = sizeLimit(faults);
  if (limit && typeof bytes === 'number' && bytes > limit.bytes) throw limit.refusal;
}

/** The error of a permanent refusal. */
export function toRefusal(fault: Omit<RefusedFault, 'kind'>): ApiError {
  const { status, code = null } = fault;
  const message =
    fault.message ?? DEFAULT_MESSAGES[status] ?? `The request is refused with status ${status}.`;
  return new ApiError(status, message, { code });
}

function responseOf(fault: Extract<CallFault, { kind: 'status' }>): CallFaultEffect {
  const message = fault.message ?? DEFAULT_MESSAGES[fault.status] ?? `Fault with status ${fault.status}.`;
  const headers: Record<string, string> =
    fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) };
  const response = { kind: 'response', status: fault.status, headers } as const;
  const form = fault.body ?? 'json';
  switch (form) {
    case 'text':
      return { ...response, contentType: 'text/plain; charset=utf-8', body: message };
    case 'html':
      return {
        ...response,
        contentType: 'text/html',
        body: htmlPage(fault.status, message),
      };
    case 'json':
      return {
        ...response,
        contentType: 'application/json',
        body: JSON.stringify({
          error: { message, type: typeOfStatus(fault.status), param: null, code: fault.code ?? null },
        }),
      };
    default:
      return form satisfies never;
  }
}

const DEFAULT_MESSAGES: Readonly<Record<number, string>> = {
  200: 'Welcome',
  401: 'Incorrect API key provided.',
  403: 'You have insufficient permissions for this operation.',
  429: 'Rate limit reached. Please try again later.',
  500: 'The server had an error while processing your request. Sorry about that!',
  502: 'Bad gateway',
  503: 'The server is currently overloaded. Please try again later.',
  504: 'Gateway time-out',
};

function parseHeader(header: string): unknown[] {
  try {
    const value: unknown = JSON.parse(header);
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    throw badHeader(String(error));
  }
}

function dataOf<T>(result: { success: true; data: T } | { success: false; error: Error }): T {
  if (result.success) return result.data;
  throw badHeader(result.error.message);
}

function badHeader(why: string): ApiError {
  return new ApiError(400, `The header ${FAULT_HEADER} contains no fault of this call: ${why}`);
}
