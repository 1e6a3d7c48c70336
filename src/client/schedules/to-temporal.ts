import {
  ScheduleOverlapPolicy,
  type ScheduleOptions as TemporalOptions,
  type ScheduleOptionsStartWorkflowAction,
} from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, type Workflow } from '@temporalio/common';
import { formatDuration, Overlap, runWorkflowId, type ScheduleSpec } from '../../core/schedule-spec.ts';
import { searchAttributes } from '../../core/search-attributes.ts';
import { SCHEDULED_JOB } from '../../workflows/messages.ts';

const policyOf: Readonly<Record<Overlap, ScheduleOverlapPolicy>> = {
  [Overlap.Skip]: ScheduleOverlapPolicy.SKIP,
  [Overlap.BufferOne]: ScheduleOverlapPolicy.BUFFER_ONE,
  [Overlap.BufferAll]: ScheduleOverlapPolicy.BUFFER_ALL,
  [Overlap.CancelOther]: ScheduleOverlapPolicy.CANCEL_OTHER,
  [Overlap.AllowAll]: ScheduleOverlapPolicy.ALLOW_ALL,
};

/** The part of Temporal's schedule that follows from ours. */
type TemporalSchedule = Pick<
  TemporalOptions<ScheduleOptionsStartWorkflowAction<Workflow>>,
  'spec' | 'action'
> & {
  policies: NonNullable<TemporalOptions['policies']>;
};

/** A schedule as Temporal takes it. */
export function toTemporal(spec: ScheduleSpec, taskQueue: string): TemporalSchedule {
  const { name, cron, everyMs, timeZone, jitterMs, overlap, catchUpMs, searchable } = spec;
  const schedule = defineSearchAttributeKey(searchAttributes.schedule.name, SearchAttributeType.KEYWORD);
  return {
    spec: {
      ...(cron.length === 0 ? {} : { cronExpressions: [...cron] }),
      ...(everyMs === null ? {} : { intervals: [{ every: everyMs }] }),
      timezone: timeZone,
      jitter: jitterMs,
    },
    action: {
      type: 'startWorkflow',
      workflowType: SCHEDULED_JOB,
      workflowId: runWorkflowId(name),
      taskQueue,
      args: [spec],
      staticSummary: `Run of schedule ${name}`,
      staticDetails: detailsOf(spec),
      ...(searchable ? { typedSearchAttributes: [{ key: schedule, value: name }] } : {}),
    },
    policies: { overlap: policyOf[overlap], catchupWindow: catchUpMs },
  };
}

/**
 * How runs that somebody asks for meet those that work: they follow them, so that none is lost and a schedule whose
 * runs shall not overlap has none that do.
 */
export function manualRunPolicy({ overlap }: ScheduleSpec): ScheduleOverlapPolicy {
  return overlap === Overlap.AllowAll ? ScheduleOverlapPolicy.ALLOW_ALL : ScheduleOverlapPolicy.BUFFER_ALL;
}

/** When a schedule is due, in words. */
export function timesOf({ cron, everyMs, timeZone }: ScheduleSpec): string {
  const times = everyMs === null ? cron.join(' and ') : `every ${formatDuration(everyMs)}`;
  return `${times} (${timeZone})`;
}

/** What the Web UI shows beside the schedule while nobody has left a note. */
export function noteOf({ input, onlyNew }: ScheduleSpec): string {
  return `Batch jobs of ${input}${onlyNew ? ', only lines that are new' : ''}`;
}

function detailsOf(spec: ScheduleSpec): string {
  return [
    `Due ${timesOf(spec)}. Looks for its input, runs a batch job of it as a child workflow, and ends with it.`,
    '',
    `- input \`${spec.input}\`, named by the time at which the run was due; without it the run ends skipped`,
    ...(spec.onlyNew ? ['- only lines that no earlier run has answered are sent'] : []),
    ...(spec.out === null ? [] : [`- results to \`${spec.out}\``]),
  ].join('\n');
}
