export { ScheduleHandle, type RunStatus, type ScheduleStatus } from './schedule-handle.ts';
export { type ScheduleChanges, type ScheduleOptions, type ScheduleTiming } from './schedule-options.ts';
export { Schedules } from './schedules.ts';
export { timesOf } from './to-temporal.ts';
