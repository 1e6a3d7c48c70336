/** A job whose answers may be reused, and the store's key of their index. */
export interface EarlierAnswers {
  readonly job: string;
  readonly index: string;
}

/** Answers of an earlier job cannot be read, or do not match its index. */
export class EarlierAnswersGone extends Error {
  readonly job: string;

  constructor(job: string, cause?: unknown) {
    super(`The answers of the earlier job ${job} were deleted while they were read.`, { cause });
    this.job = job;
  }
}

/** Reads a file of an earlier job; a missing file becomes `EarlierAnswersGone`, so that it is not mistaken for a missing input. */
export function ofEarlierJob<T>(job: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new EarlierAnswersGone(job, error);
  }
}
