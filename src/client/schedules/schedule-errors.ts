import { ScheduleAlreadyRunning, ScheduleNotFoundError } from '@temporalio/client';
import { BatchError, ErrorCode } from '../../core/errors.ts';

/** gRPC's INVALID_ARGUMENT: the server rejects the options. */
const INVALID_ARGUMENT = 3;

/** Calls the server about a schedule; its refusals become `BatchError`s. */
export async function withScheduleErrors<T>(name: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toBatchError(error, name);
  }
}

function toBatchError(error: unknown, name: string): unknown {
  const details = { schedule: name };
  if (error instanceof ScheduleAlreadyRunning) {
    return new BatchError(
      ErrorCode.ScheduleExists,
      `A schedule named ${name} exists: choose another name, or change it with \`durable-batch schedule update ${name}\`.`,
      { details },
    );
  }
  if (error instanceof ScheduleNotFoundError) {
    return new BatchError(
      ErrorCode.ScheduleNotFound,
      `No schedule is named ${name}: see \`durable-batch schedule list\`.`,
      { details },
    );
  }
  const { code, details: reason } = ((error as Error).cause ?? {}) as { code?: number; details?: string };
  if (code !== INVALID_ARGUMENT) return error;
  return new BatchError(
    ErrorCode.BadOption,
    `The Temporal server does not accept schedule ${name}: ${reason ?? 'it gave no reason'}.`,
    { details },
  );
}
