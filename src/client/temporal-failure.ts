import { NamespaceNotFoundError, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, TerminatedFailure, TimeoutFailure, ValueError } from '@temporalio/common';
import { BatchError, ErrorCode } from '../core/errors.ts';
import { failureMeaning, isFailureType } from '../core/failure.ts';
import { searchAttributes } from '../core/search-attributes.ts';
import type { TemporalTarget } from '../temporal/index.ts';

/** The gRPC codes that have their own message. */
const Grpc = {
  Cancelled: 1,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  Unimplemented: 12,
  Unavailable: 14,
  Unauthenticated: 16,
} as const;

/** Where an error happened. */
export interface FailureSite {
  readonly jobId: string | null;
  readonly target: TemporalTarget;
}

/** Converts an error of Temporal's client to this package's error, without the gRPC error, whose metadata contain the API key. */
export function toBatchError(error: unknown, site: FailureSite): unknown {
  const { jobId, target } = site;
  if (error instanceof WorkflowFailedError) return ofFailedJob(error, jobId ?? 'unknown');
  if (error instanceof NamespaceNotFoundError) return noNamespace(target);
  if (error instanceof WorkflowNotFoundError && jobId !== null) return jobNotFound(jobId);
  if (error instanceof ValueError) return undecodable(target);
  const grpc = grpcError(error);
  return grpc === null ? error : ofGrpc(grpc, site);
}

/** gRPC's UNAVAILABLE, or a call that was cut off: the server is unavailable or starting. */
export function isUnreachable(error: unknown): boolean {
  const code = grpcError(error)?.code;
  return code === Grpc.Unavailable || code === Grpc.DeadlineExceeded || code === Grpc.Cancelled;
}

/** The error for an id that no job has. */
export function jobNotFound(jobId: string): BatchError {
  return new BatchError(ErrorCode.JobNotFound, `No job has the id ${jobId}: see \`durable-batch list\`.`, {
    details: { jobId },
  });
}

/** The error of a job that ended without a report. */
function ofFailedJob(error: WorkflowFailedError, jobId: string): BatchError {
  let cause: unknown = error.cause;
  let last = error.message;
  while (cause instanceof Error) {
    last = cause.message;
    if (cause instanceof ApplicationFailure && isFailureType(cause.type)) {
      const [details] = (cause.details ?? []) as [{ file?: string; line?: number | null }?];
      return new BatchError(failureMeaning[cause.type].code, cause.message, {
        details: {
          jobId,
          ...(details?.file === undefined ? {} : { file: details.file }),
          ...(typeof details?.line === 'number' ? { line: details.line } : {}),
        },
      });
    }
    if (cause instanceof TerminatedFailure) {
      return new BatchError(
        ErrorCode.JobFailed,
        `Job ${jobId} was terminated. Start it again with the same command: the answers that were paid are kept.`,
        { details: { jobId } },
      );
    }
    if (cause instanceof TimeoutFailure && cause.cause === undefined) break;
    cause = cause.cause;
  }
  return new BatchError(
    ErrorCode.JobFailed,
    `Job ${jobId} failed: ${last}. Start it again with the same command: the answers that were paid are kept.`,
    { details: { jobId } },
  );
}

/** The error for a server that no longer responds. */
export function serverGone({ jobId, target }: FailureSite): BatchError {
  const { address } = target.connection;
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    jobId === null
      ? `The Temporal server at ${address} no longer responds: start it and try again.`
      : `The Temporal server at ${address} no longer responds. Job ${jobId} keeps its progress: start the server and run the same command again.`,
    jobId === null ? {} : { details: { jobId } },
  );
}

function ofGrpc({ code, details }: GrpcError, site: FailureSite): BatchError {
  const { jobId, target } = site;
  const { address } = target.connection;
  const about = jobId === null ? {} : { details: { jobId } };
  switch (code) {
    case Grpc.Unavailable:
    case Grpc.DeadlineExceeded:
    case Grpc.Cancelled:
      return serverGone(site);
    case Grpc.NotFound:
      return jobId === null || /namespace/i.test(details) ? noNamespace(target) : jobNotFound(jobId);
    case Grpc.PermissionDenied:
    case Grpc.Unauthenticated:
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The Temporal server at ${address} refused the call in namespace ${target.namespace}: check TEMPORAL_API_KEY, the client certificate and their permissions.`,
        about,
      );
    case Grpc.InvalidArgument:
      return invalidArgument(details, target, about);
    case Grpc.ResourceExhausted:
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The Temporal server at ${address} is limiting calls: try again later, or raise the limits of namespace ${target.namespace}.`,
        about,
      );
    case Grpc.Unimplemented:
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The server at ${address} does not know the call: check that TEMPORAL_ADDRESS is the gRPC address of a Temporal server.`,
        about,
      );
    default:
      return new BatchError(
        ErrorCode.TemporalUnavailable,
        `The Temporal server at ${address} failed (gRPC code ${code}): check its log, and try again.`,
        about,
      );
  }
}

/** The server's message quotes the query: names and values of the caller. */
function invalidArgument(details: string, target: TemporalTarget, about: object): BatchError {
  const missing = Object.values(searchAttributes).find(({ name }) => details.includes(name));
  if (missing !== undefined) {
    return new BatchError(
      ErrorCode.BadOption,
      `Namespace ${target.namespace} has no search attribute ${missing.name}: register it with \`durable-batch setup\`, or filter by status and start time only.`,
      about,
    );
  }
  const reason = details.split('\n', 1)[0]!.slice(0, 300);
  return new BatchError(ErrorCode.BadOption, `The Temporal server refused the call: ${reason}`, about);
}

function noNamespace({ connection, namespace }: TemporalTarget): BatchError {
  return new BatchError(
    ErrorCode.TemporalUnavailable,
    `The Temporal server at ${connection.address} has no namespace ${namespace}: create it, or set TEMPORAL_NAMESPACE.`,
  );
}

function undecodable({ connection }: TemporalTarget): BatchError {
  return new BatchError(
    ErrorCode.BadOption,
    `Data of the Temporal server at ${connection.address} cannot be decoded: give the client the data converter of the worker.`,
  );
}

interface GrpcError {
  readonly code: number;
  readonly details: string;
}

/** The gRPC error among the causes of an error; null if there is none. */
function grpcError(error: unknown): GrpcError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, details } = cause as { code?: unknown; details?: unknown };
    if (typeof code === 'number') return { code, details: typeof details === 'string' ? details : '' };
  }
  return null;
}
