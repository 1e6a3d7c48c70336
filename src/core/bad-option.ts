import { BatchError, ErrorCode } from './errors.ts';

/** The error of an option, as code spells it. `problem` is the end of a sentence. */
export function badOption(option: string, problem: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `Option ${option} ${problem}.`, { details: { option } });
}

/** The error of an option, as the command line spells it. `problem` is the end of a sentence. */
export function badFlag(flag: string, problem: string): BatchError {
  return new BatchError(ErrorCode.BadOption, `Option --${flag} ${problem}.`, { details: { option: flag } });
}
