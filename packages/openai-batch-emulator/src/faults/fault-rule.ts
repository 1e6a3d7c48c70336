import type { BatchFault } from './batch-fault.ts';
import type { CallFault, CallKind } from './call-fault.ts';
import type { FileFault } from './file-fault.ts';
import type { LineFault } from './line-fault.ts';

/**
 * A fault and when it applies. The option `faults` and `POST /emulator/faults` take this shape; the request header
 * `x-emulator-fault` takes the `fault` alone.
 */
export type FaultRule = CallFaultRule | FileFaultRule | BatchFaultRule | LineFaultRule;

/** Limits a rule to some of its occurrences; without any of these the rule applies to all. */
export interface FaultCondition {
  /** The id for `DELETE /emulator/faults/:id`; generated if absent. */
  id?: string | undefined;
  /** The rule applies only to these occurrences, counted from 1 since it was added. */
  nth?: number | number[] | undefined;
  /** The maximum number of times the rule applies. */
  count?: number | undefined;
  /** The probability that the rule applies, drawn from the seed and the number of the occurrence. */
  probability?: number | undefined;
  /** The rule applies only for this long after it was added. */
  seconds?: number | undefined;
}

/** A fault of one HTTP call. */
export interface CallFaultRule extends FaultCondition {
  on: 'call';
  /** One kind of call, several, or `*` for all. */
  call: CallKind | '*' | CallKind[];
  fault: CallFault;
}

/** A fault of an uploaded file, decided when it is created. */
export interface FileFaultRule extends FaultCondition {
  on: 'file';
  fault: FileFault;
}

/** A fault of a batch, decided when it is created; occurrences are batches in order of creation. */
export interface BatchFaultRule extends FaultCondition {
  on: 'batch';
  /** Only batches that carry all of this metadata are occurrences. */
  metadata?: Record<string, string> | undefined;
  fault: BatchFault;
}

/**
 * A fault of single request lines. A line is identified by its content (custom_id and body), so that it is recognised in
 * a later batch.
 */
export interface LineFaultRule {
  on: 'line';
  id?: string | undefined;
  /** The rule applies to this share of all lines, chosen by seed and content. @default 1 */
  fraction?: number | undefined;
  /** The rule applies only to lines with one of these ids. */
  customId?: string | string[] | undefined;
  /** The rule applies only to this many first executions of a line; `null` for all. @default 1 */
  executions?: number | null | undefined;
  /** The rule applies only for this long after it was added. */
  seconds?: number | undefined;
  fault: LineFault;
}
