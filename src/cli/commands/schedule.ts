import { Command } from 'commander';
import { BatchClient, type ScheduleHandle, type ScheduleStatus } from '../../client/index.ts';
import type { ScheduleChanges } from '../../client/schedules/index.ts';
import { assertBackfill } from '../../client/schedules/schedule-handle.ts';
import { resolveSchedule } from '../../client/schedules/schedule-options.ts';
import { BatchError, ErrorCode } from '../../core/errors.ts';
import { Overlap } from '../../core/schedule-spec.ts';
import { scheduleRowsOf, type ScheduleFiles } from '../../job/schedule-rows.ts';
import { addJobOptions, addOutputOptions, type JobFlags, type OutputFlags } from '../job-options.ts';
import { isJobFile, readJob } from '../read-start.ts';
import { describeSchedule, listSchedules } from '../render-schedule.ts';
import { addSourceOptions, type SourceFlags } from '../source-options.ts';
import { toJson } from '../to-json.ts';

interface TimingFlags extends Omit<JobFlags, 'onlyNew'>, SourceFlags, OutputFlags {
  cron?: string[];
  every?: string;
  timeZone?: string;
  jitter?: string;
  overlap?: Overlap;
  catchUp?: string;
  onlyNew?: boolean;
}

interface CreateFlags extends TimingFlags {
  paused?: boolean;
  note?: string;
}

/** Adds `schedule` and its commands; each of them accepts `--json`. */
export function addSchedule(program: Command): void {
  const schedule = program
    .command('schedule')
    .description('manage schedules, which start jobs at their times')
    .option('--json', 'print JSON')
    .exitOverride();
  addCreate(schedule);
  addList(schedule);
  addDescribe(schedule);
  addUpdate(schedule);
  addTrigger(schedule);
  addBackfill(schedule);
  addPause(schedule);
  addResume(schedule);
  addDelete(schedule);
  for (const command of schedule.commands) command.configureHelp({ showGlobalOptions: true });
}

function addCreate(schedule: Command): void {
  const command = schedule
    .command('create')
    .description('create a schedule; workers have to run when it is due')
    .argument('<name>', 'name of the schedule')
    .argument(
      '[input...]',
      'a .jsonl file of requests, e.g. reviews-{yyyy}-{MM}-{dd}.jsonl for one a day; files of rows with --prompt; or a job file',
    )
    .option('--paused', 'create it paused')
    .option('--note <text>', 'a note, shown with the schedule');
  addTiming(command).action(async (name: string, inputs: string[], flags: CreateFlags) => {
    const { paused, note } = flags;
    const { changes, files } = await readChanges(inputs, flags);
    const options = {
      ...changes,
      name,
      ...(paused === undefined ? {} : { paused }),
      ...(note === undefined ? {} : { note }),
    };
    resolveSchedule(options, false, await scheduleRowsOf(options, files)); // throws before a server is called, or started
    await using client = await connect();
    const handle = await client.schedules.createWith(options, files);
    await show(schedule, handle);
  });
}

function addUpdate(schedule: Command): void {
  const command = schedule
    .command('update')
    .description('change options; options that are not given stay unchanged')
    .argument('<name>', 'name of the schedule')
    .option('--input <input...>', 'another input, or a job file with other options')
    .option('--no-only-new', 'send all lines again');
  addTiming(command).action(async (name: string, flags: TimingFlags & { input?: string[] }) => {
    // `--no-only-new` gives the option a default value.
    const isGiven = command.getOptionValueSource('onlyNew') === 'cli';
    const { onlyNew, input = [], ...others } = flags;
    const { changes, files } = await readChanges(input, isGiven ? { ...others, onlyNew: onlyNew! } : others);
    await using client = await connect();
    const handle = client.schedules.get(name);
    await handle.updateWith(changes, files);
    await show(schedule, handle);
  });
}

function addList(schedule: Command): void {
  schedule
    .command('list')
    .description('list the schedules of batch jobs')
    .action(async () => {
      await using client = await connect();
      const found: ScheduleStatus[] = [];
      for await (const status of client.schedules.list()) found.push(status);
      print(schedule, found, () => listSchedules(found));
    });
}

function addDescribe(schedule: Command): void {
  schedule
    .command('describe')
    .description('show a schedule, its last runs with their jobs, and its next runs')
    .argument('<name>', 'name of the schedule')
    .action(async (name: string) => {
      await using client = await connect();
      await show(schedule, client.schedules.get(name));
    });
}

function addTrigger(schedule: Command): void {
  schedule
    .command('trigger')
    .description('start a run now, or after the current one')
    .argument('<name>', 'name of the schedule')
    .action(async (name: string) => {
      await using client = await connect();
      const job = await client.schedules.get(name).trigger();
      print(schedule, { schedule: name, asked: 'trigger', job_id: job }, () =>
        job === null
          ? `A run of ${name} will start after the current one.`
          : `Started a run of ${name}; its job, once the run has found its input: ${job}`,
      );
    });
}

function addBackfill(schedule: Command): void {
  schedule
    .command('backfill')
    .description(
      'start the runs that were due in a range of time, one after another; a run that already has its job changes nothing',
    )
    .argument('<name>', 'name of the schedule')
    .requiredOption('--from <time>', 'e.g. 2026-11-01T00:00Z, or a date for midnight UTC')
    .requiredOption('--to <time>', 'the end of the range')
    .action(async (name: string, flags: { from: string; to: string }) => {
      const range = { from: toTime('from', flags.from), to: toTime('to', flags.to) };
      assertBackfill(range, name);
      await using client = await connect();
      await client.schedules.get(name).backfill(range);
      print(
        schedule,
        { schedule: name, asked: 'backfill' },
        () =>
          `The runs of ${name} from ${flags.from} to ${flags.to} start one after another: see \`durable-batch schedule describe ${name}\`.`,
      );
    });
}

function addPause(schedule: Command): void {
  schedule
    .command('pause')
    .description('start no more runs until resume; a current run continues')
    .argument('<name>', 'name of the schedule')
    .option('--note <text>', 'the reason, shown with the schedule')
    .action(async (name: string, flags: { note?: string }) => {
      await using client = await connect();
      await client.schedules.get(name).pause(flags.note);
      say(schedule, name, 'pause', `Schedule ${name} is paused.`);
    });
}

function addResume(schedule: Command): void {
  schedule
    .command('resume')
    .description('continue after a pause; runs that were due meanwhile are not caught up')
    .argument('<name>', 'name of the schedule')
    .option('--note <text>', 'a note, shown with the schedule')
    .action(async (name: string, flags: { note?: string }) => {
      await using client = await connect();
      await client.schedules.get(name).resume(flags.note);
      say(schedule, name, 'resume', `Schedule ${name} is resumed.`);
    });
}

function addDelete(schedule: Command): void {
  schedule
    .command('delete')
    .description('delete a schedule; its jobs and their results stay')
    .argument('<name>', 'name of the schedule')
    .action(async (name: string) => {
      await using client = await connect();
      await client.schedules.get(name).delete();
      say(schedule, name, 'delete', `Schedule ${name} is deleted; its jobs and their results stay.`);
    });
}

/** The options of times and jobs, shared by `create` and `update`. */
function addTiming(command: Command): Command {
  command
    .option('--cron <line>', 'e.g. "0 6 * * *"; may be given several times', collect)
    .option('--every <duration>', 'interval instead of --cron, e.g. 6h, counted from midnight UTC')
    .option('--time-zone <name>', 'time zone of cron lines and of the placeholders in names (default: UTC)')
    .option('--jitter <duration>', 'start each run up to this much later, at random')
    .option(
      '--overlap <policy>',
      `when a run is due while an earlier one is running: ${Object.values(Overlap).join(', ')} (default: skip)`,
    )
    .option('--catch-up <duration>', 'skip runs that the server missed by more than this (default: 1d)')
    .option('--only-new', 'send only lines that no earlier run has answered, and add the kept answers')
    .option(
      '--out <path>',
      'folder or table on the worker for the results of each run, e.g. results/{run} or {run}.parquet',
    );
  addOutputOptions(command);
  addSourceOptions(command);
  command.optionsGroup('Job:');
  // The schedule's name determines the ids of its jobs and their series, and a run is never bought twice.
  for (const option of addJobOptions(new Command()).options)
    if (!['job', 'onlyNew', 'fresh', 'retryFailed'].includes(option.attributeName()))
      command.addOption(option);
  return command;
}

function collect(line: string, lines: string[] | undefined): string[] {
  return [...(lines ?? []), line];
}

/** The options that a command line and its job file give, and the files that they name. */
async function readChanges(
  inputs: readonly string[],
  { onlyNew, ...flags }: TimingFlags,
): Promise<{ changes: ScheduleChanges; files: ScheduleFiles }> {
  const { cron, every, timeZone, jitter, overlap, catchUp, ...others } = flags;
  const { options, outputs, names, folder } = await readJob(inputs, others);
  const timing = { cron, every, timeZone, jitter, overlap, catchUp, onlyNew };
  const given = Object.entries(timing).filter(([, value]) => value !== undefined);
  // A job file may name a series, which a schedule refuses.
  const changes: unknown = { ...options, ...outputs, ...Object.fromEntries(given) };
  // A job file has all fields.
  const addsParams = flags.param !== undefined && flags.params === undefined && !isJobFile(inputs);
  return { changes: changes as ScheduleChanges, files: { files: names, folder, addsParams } };
}

/** Parses a time with an offset, or a date. */
function toTime(option: string, text: string): Date {
  const isTime = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d))?$/.test(text);
  const time = new Date(text);
  if (isTime && !Number.isNaN(time.getTime())) return time;
  throw new BatchError(
    ErrorCode.BadOption,
    `Option --${option} must be a date or a time with its offset, e.g. 2026-11-01 or 2026-11-01T06:00+01:00, got "${text}".`,
    { details: { option } },
  );
}

async function connect(): Promise<BatchClient> {
  return await BatchClient.connect({ log: (text) => void process.stderr.write(`${text}\n`) });
}

async function show(schedule: Command, handle: ScheduleHandle): Promise<void> {
  const status = await handle.describe();
  print(schedule, status, () => describeSchedule(status));
}

function say(schedule: Command, name: string, asked: string, text: string): void {
  print(schedule, { schedule: name, asked }, () => text);
}

function print(schedule: Command, json: unknown, text: () => string): void {
  const { json: isJson } = schedule.opts<{ json?: boolean }>();
  process.stdout.write(`${isJson === true ? toJson(json) : text()}\n`);
}
